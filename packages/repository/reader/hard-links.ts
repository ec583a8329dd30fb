// Further names of files that the snapshot has under several: linked once the first one is complete.
import type { TreeNode } from "../format/node.ts";
import type { RestoreDirectory } from "./restore-directory.ts";

/** One of the places of a file. */
export interface LinkPlace {
  readonly directory: RestoreDirectory;
  readonly name: Buffer;
}

/** All names of one file. The first one met is restored, the others become links to it. */
export class LinkGroup {
  readonly first: LinkPlace;
  readonly #waiting: LinkPlace[] = [];
  #state: "pending" | "complete" | "failed" = "pending";

  constructor(first: LinkPlace) {
    this.first = first;
  }

  /** Calls `link` for a further place once the first is there, `fail` if it cannot be. The directory is kept open meanwhile. */
  add(place: LinkPlace, link: (place: LinkPlace) => void, fail: (place: LinkPlace) => void): void {
    if (this.#state === "pending") {
      place.directory.retain();
      this.#waiting.push(place);
    } else if (this.#state === "complete") link(place);
    else fail(place);
  }

  /** The first place is complete (or not going to be). */
  settle(isComplete: boolean, link: (place: LinkPlace) => void, fail: (place: LinkPlace) => void): void {
    this.#state = isComplete ? "complete" : "failed";
    for (const place of this.#waiting.splice(0)) {
      if (isComplete) link(place);
      else fail(place);
      place.directory.release();
    }
  }
}

/** Groups by inode and device. A group is forgotten when all its names were met, as most are. */
export class HardLinks {
  readonly #groups = new Map<string, { readonly group: LinkGroup; left: number }>();

  /** The group that a file joins; null if it has one name only. `isFirst` for the place that is restored. */
  join(node: TreeNode, place: LinkPlace): { group: LinkGroup; isFirst: boolean } | null {
    if (node.links <= 1n) return null;
    const key = `${node.deviceId.toString(36)} ${node.inode.toString(36)}`;
    const known = this.#groups.get(key);
    if (!known) {
      const group = new LinkGroup(place);
      this.#groups.set(key, { group, left: Number(node.links) - 1 });
      return { group, isFirst: true };
    }
    if (--known.left === 0) this.#groups.delete(key);
    return { group: known.group, isFirst: false };
  }
}
