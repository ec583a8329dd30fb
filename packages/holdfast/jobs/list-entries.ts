// The entries of a recovery point, source by source, with the paths that they have on the disk.
import { findNode, hasCode, HoldfastError, walk, type TreeNode } from "@holdfast/repository";
import { decodeRawPath } from "../records/raw-path.ts";
import type { Chosen } from "./choose-snapshot.ts";

export interface PointEntry {
  readonly source: string;
  /** As on the disk, raw bytes. */
  readonly path: Buffer;
  readonly node: TreeNode;
}

export interface EntryWish {
  /** Null: every source. */
  readonly source: string | null;
  /** Absolute, raw bytes; null: everything. It is listed itself, and if it is a folder what is in it. */
  readonly path: Buffer | null;
  /** Also what is in the folders below `path`. */
  readonly recursive: boolean;
  /** What the recovery point should have and cannot be read. */
  readonly report: (source: string, path: Buffer, error: HoldfastError) => void;
}

/** Folders that only lead to what was captured are left out. */
export async function* listEntries(chosen: Chosen, wish: EntryWish): AsyncGenerator<PointEntry, void, undefined> {
  const { manifest } = chosen;
  for (const [source, { paths }] of Object.entries(manifest.sources)) {
    if (wish.source !== null && wish.source !== source) continue;
    for (const captured of paths.map(decodeRawPath)) yield* listPath(chosen, source, captured, wish);
  }
}

async function* listPath(
  { session, snapshot }: Chosen,
  source: string,
  captured: Buffer,
  { path: wanted, recursive, report }: EntryWish,
): AsyncGenerator<PointEntry, void, undefined> {
  const lists = (path: Buffer): boolean => wanted === null || isAtOrBelow(path, wanted);
  const enters = (path: Buffer): boolean => {
    if (wanted === null) return true;
    if (isAtOrBelow(path, wanted)) return recursive || path.equals(wanted);
    return isAtOrBelow(wanted, path);
  };
  if (!lists(captured) && !enters(captured)) return;
  const { repository } = session;
  try {
    const at = Buffer.concat([Buffer.from(`/${source}`), captured]);
    const node = await findNode(repository, snapshot.tree, at);
    if (node === null) return;
    if (lists(captured)) yield { source, path: captured, node };
    if (node.subtree === null || !enters(captured)) return;
    const inFull = (path: Buffer): Buffer => (captured.length === 1 ? path : Buffer.concat([captured, path]));
    const steps = walk(repository, node.subtree, {
      enters: (path) => enters(inFull(path)),
      report: (path, error) => report(source, inFull(path), error),
    });
    for await (const { path, node: below } of steps) {
      session.signal.throwIfAborted();
      const full = inFull(path);
      if (lists(full)) yield { source, path: full, node: below };
    }
  } catch (error) {
    if (!hasCode(error, "not-found") && !hasCode(error, "damaged")) throw error;
    // The manifest has it, so that the snapshot must: that is damage.
    report(source, captured, new HoldfastError("damaged", error.message, { cause: error }));
  }
}

const slash = 0x2f;

function isAtOrBelow(path: Buffer, folder: Buffer): boolean {
  if (path.length < folder.length || !path.subarray(0, folder.length).equals(folder)) return false;
  return path.length === folder.length || folder.at(-1) === slash || path[folder.length] === slash;
}
