// The node at a path of a snapshot, and the tree of a folder of it.
import { HoldfastError } from "../errors.ts";
import { displayPath } from "../filesystem/system-error.ts";
import type { TreeNode } from "../format/node.ts";
import type { Repository } from "../store/repository.ts";

const slash = 0x2f;

/** The names in an absolute or relative path; empty ones and "." do not count. */
export function splitPath(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let start = 0; start <= path.length;) {
    const found = path.indexOf(slash, start);
    const end = found < 0 ? path.length : found;
    const name = path.subarray(start, end);
    if (name.length > 0 && !(name.length === 1 && name[0] === 0x2e)) names.push(name);
    start = end + 1;
  }
  return names;
}

/** The node at `path` below the tree `treeId`; null for the root itself, which has none. Throws `not-found`. */
export async function findNode(repository: Repository, treeId: string, path: Buffer): Promise<TreeNode | null> {
  let tree: string | null = treeId;
  let node: TreeNode | null = null;
  for (const name of splitPath(path)) {
    if (tree === null) throw missing(path, "is below something that is no folder");
    node = (await repository.loadTree(tree)).find((each) => each.name.equals(name)) ?? null;
    if (node === null) throw missing(path, "does not exist");
    tree = node.subtree;
  }
  return node;
}

/** The id of the tree of the folder `path` below the tree `treeId`; "/" is that tree. Throws `not-found`. */
export async function findTree(repository: Repository, treeId: string, path: Buffer): Promise<string> {
  const node = await findNode(repository, treeId, path);
  if (node === null) return treeId;
  if (node.type !== "dir" || node.subtree === null) throw missing(path, "is no folder");
  return node.subtree;
}

function missing(path: Buffer, reason: string): HoldfastError {
  const shown = displayPath(path);
  return new HoldfastError("not-found", `${shown} ${reason} in the snapshot`, {
    hint: "see `holdfast repo ls` for what is there",
    context: { path: shown },
  });
}
