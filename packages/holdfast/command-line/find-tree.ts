// From a snapshot's root to the tree of one of its folders.

import { HoldfastError, type Repository } from "@holdfast/repository";

/** The id of the tree of a folder below the tree `root`; "/" is the root itself. Throws `not-found`. */
export async function findTree(repository: Repository, root: string, folder: string): Promise<string> {
  let tree = root;
  for (const name of folder.split("/").filter((part) => part !== "" && part !== ".")) {
    const node = (await repository.loadTree(tree)).find((each) => each.name.toString("utf8") === name);
    if (node === undefined || node.subtree === null) {
      const reason = node === undefined ? "there is no folder" : "this is no folder:";
      throw new HoldfastError("not-found", `${reason} ${JSON.stringify(folder)} in the snapshot`, { hint: "see `holdfast repo ls` for what is there" });
    }
    tree = node.subtree;
  }
  return tree;
}
