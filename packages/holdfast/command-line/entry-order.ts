// The order in which `holdfast repo ls` lists entries, as restic's --sort and --reverse.

import { HoldfastError, type TreeNode } from "@holdfast/repository";

export interface ListedEntry {
  readonly path: Buffer;
  readonly node: TreeNode;
}

export interface EntryOrder {
  /** Null: as they lie in the snapshot, which is by name. */
  readonly by: ((entry: ListedEntry) => bigint | Buffer) | null;
  readonly reverse: boolean;
}

const keys: Readonly<Record<string, EntryOrder["by"]>> = {
  name: null,
  size: ({ node }) => (node.type === "file" ? node.size : 0n),
  time: ({ node }) => node.mtime,
  mtime: ({ node }) => node.mtime,
  atime: ({ node }) => node.atime,
  ctime: ({ node }) => node.ctime,
  extension: ({ path }) => extensionOf(path),
};

/** Throws `usage` for an unknown word. */
export function parseEntryOrder(by: string, reverse: boolean): EntryOrder {
  const key = Object.hasOwn(keys, by) ? keys[by] : undefined;
  if (key !== undefined) return { by: key, reverse };
  throw new HoldfastError("usage", `--sort: ${JSON.stringify(by)} is nothing to sort by`, {
    hint: `give one of ${Object.keys(keys).join(", ")}`,
  });
}

/** A new list; what is equal comes by path. */
export function orderEntries(entries: readonly ListedEntry[], { by, reverse }: EntryOrder): ListedEntry[] {
  const ordered =
    by === null
      ? [...entries]
      : entries
          .map((entry) => ({ entry, key: by(entry) }))
          .toSorted((a, b) => compare(a.key, b.key) || Buffer.compare(a.entry.path, b.entry.path))
          .map(({ entry }) => entry);
  return reverse ? ordered.reverse() : ordered;
}

function compare(a: bigint | Buffer, b: bigint | Buffer): number {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b);
  return a === b ? 0 : a < b ? -1 : 1;
}

/** As Go's filepath.Ext: from the last dot of the name on, or nothing. */
function extensionOf(path: Buffer): Buffer {
  const dot = path.lastIndexOf(0x2e);
  return dot > path.lastIndexOf(0x2f) ? path.subarray(dot) : Buffer.alloc(0);
}
