// Compares the manifest of a recovery point with what its snapshot really holds.
import { displayPath, findNode, hasCode, HoldfastError, type Repository, type TreeNode } from "@holdfast/repository";
import type { ManifestSource } from "../records/manifest.ts";
import { decodeRawPath } from "../records/raw-path.ts";
import type { RecoveryPoint } from "./recovery-points.ts";

export interface PointFinding {
  /** Null: the recovery point as a whole. */
  readonly source: string | null;
  readonly message: string;
}

/** How the content of a kind begins: whatever does not is nothing that can be restored. */
const beginnings: Readonly<Record<string, { readonly what: string; readonly magic: Buffer }>> = {
  // https://www.sqlite.org/fileformat2.html, "The Database Header"
  sqlite: { what: "SQLite database", magic: Buffer.from("SQLite format 3\0") },
};

/** Blobs whose beginning was seen to be right: most recovery points share theirs. */
export type KnownBeginnings = Set<string>;

/** What is wrong; nothing is good. Throws only what is no matter of this recovery point. */
export async function checkPoint(
  repository: Repository,
  { snapshot, manifest, problem }: RecoveryPoint,
  known: KnownBeginnings,
): Promise<PointFinding[]> {
  if (manifest === null) return [{ source: null, message: problem?.message ?? "it has no manifest" }];
  const findings: PointFinding[] = [];
  for (const [name, source] of Object.entries(manifest.sources)) {
    if (source.outcome !== "good" && source.outcome !== "partial") continue;
    const say = (message: string): void => void findings.push({ source: name, message });
    if (source.paths.length === 0) say(`it is recorded as ${source.outcome}, and nothing of it is stored`);
    let bytes = 0n;
    for (const path of source.paths.map(decodeRawPath)) {
      const shown = displayPath(path);
      try {
        const node = await findNode(repository, snapshot.tree, Buffer.concat([Buffer.from(`/${name}`), path]));
        if (node === null) say(`${shown} is not in the snapshot`);
        else {
          bytes += node.size;
          const flaw = await flawOf(repository, node, source, known);
          if (flaw !== null) say(`${shown} ${flaw}`);
        }
      } catch (error) {
        if (hasCode(error, "not-found")) say(`${shown} is not in the snapshot`);
        else if (hasCode(error, "damaged")) say(`${shown} cannot be read: ${error.message}`);
        else throw error;
      }
    }
    if (source.bytes !== null && BigInt(source.bytes) !== bytes) {
      say(`${source.bytes} bytes were captured, and ${bytes} are in the snapshot`);
    }
  }
  return findings;
}

/** Null: nothing is wrong with it, as far as its beginning tells. */
async function flawOf(
  repository: Repository,
  node: TreeNode,
  { kind }: ManifestSource,
  known: KnownBeginnings,
): Promise<string | null> {
  if (node.type === "dir") {
    if (node.subtree === null) throw new HoldfastError("damaged", "the folder has no tree");
    await repository.loadTree(node.subtree);
    return null;
  }
  const beginning = beginnings[kind];
  if (beginning === undefined) return null;
  const [first] = node.content ?? [];
  if (node.type !== "file" || first === undefined || node.size === 0n) return `is empty, and no ${beginning.what}`;
  if (known.has(first)) return null;
  const { magic, what } = beginning;
  const blob = await repository.loadBlob("data", first);
  if (!blob.subarray(0, magic.length).equals(magic)) return `does not begin like a ${what}`;
  known.add(first);
  return null;
}
