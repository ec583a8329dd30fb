// Writes what no honest program writes into a repository: trees with any names, for restores to refuse.
import { createHash } from "node:crypto";
import { openStorage, parseLocation, Repository } from "@holdfast/repository";
import { password } from "./workplace.ts";

export interface ForgedNode {
  /** As it stands in the JSON. */
  readonly name: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

interface Blob {
  readonly type: "data" | "tree";
  readonly id: string;
  readonly plain: Buffer;
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Collects blobs, then stores them as one pack with its index, and a snapshot of the root. */
export class Forgery {
  readonly #blobs = new Map<string, Blob>();

  /** A file's content; its id. */
  content(text: string): string {
    return this.#add("data", Buffer.from(text));
  }

  /** A directory; its id. Nothing is checked, nothing sorted. */
  tree(nodes: readonly ForgedNode[]): string {
    const times = { mtime: "2020-01-01T00:00:00Z", atime: "2020-01-01T00:00:00Z", ctime: "2020-01-01T00:00:00Z" };
    const full = nodes.map((node) => ({
      mode: node.type === "dir" ? 0x800001ed : 0o644,
      ...times,
      content: null,
      ...node,
    }));
    return this.#add("tree", Buffer.from(`${JSON.stringify({ nodes: full })}\n`));
  }

  /** Stores everything; the id of the snapshot of `root`. */
  async store(location: string, root: string): Promise<string> {
    const identity = { hostname: "forger", username: "forger", uid: 0, gid: 0, pid: process.pid };
    const storage = openStorage(parseLocation(location));
    await using repository = await Repository.open({ storage, password, now: () => new Date(), identity });
    const sealed = [...this.#blobs.values()].map((blob) => ({ ...blob, bytes: repository.sealer.seal(blob.plain) }));
    // The header of a pack: kind, length and id of each blob.
    const entries = sealed.map(({ type, id, bytes }) => {
      const entry = Buffer.alloc(37);
      entry.writeUInt8(type === "tree" ? 1 : 0);
      entry.writeUInt32LE(bytes.length, 1);
      entry.write(id, 5, "hex");
      return entry;
    });
    const header = repository.sealer.seal(Buffer.concat(entries));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    const pack = Buffer.concat([...sealed.map(({ bytes }) => bytes), header, length]);
    await storage.put("pack", sha256(pack), [pack]);
    let offset = 0;
    const blobs = sealed.map(({ type, id, bytes }) => {
      const entry = { id, type, offset, length: bytes.length };
      offset += bytes.length;
      return entry;
    });
    await repository.saveUnpacked("index", Buffer.from(JSON.stringify({ packs: [{ id: sha256(pack), blobs }] })));
    const snapshot = {
      time: new Date().toISOString(),
      tree: root,
      paths: ["/forged"],
      hostname: "forger",
      username: "forger",
    };
    return await repository.saveUnpacked("snapshot", Buffer.from(JSON.stringify(snapshot)));
  }

  #add(type: "data" | "tree", plain: Buffer): string {
    const id = sha256(plain);
    this.#blobs.set(`${type} ${id}`, { type, id, plain });
    return id;
  }
}
