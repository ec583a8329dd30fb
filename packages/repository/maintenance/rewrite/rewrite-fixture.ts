// What tests of rewriting share: trees stored from their text, rewritten, and read back with all they name.
import type { Repository } from "../../store/repository.ts";
import { BlobSaver } from "../../writer/blob-saver.ts";
import { PackStore } from "../../writer/pack-store.ts";
import type { RewrittenTree, TreeRewriteOptions } from "./rewrite-tree.ts";
import { TreeRewriter } from "./rewrite-tree.ts";

/** Stores what `work` saves; with it, how many trees were new. */
export async function storingTrees<T>(
  repository: Repository,
  work: (saver: BlobSaver) => Promise<T>,
): Promise<{ result: T; newTrees: number }> {
  return repository.claiming(true, async () => {
    const index = await repository.loadIndex();
    const options = { dryRun: false, readBack: false, mayWrite: Promise.resolve() };
    const packs = new PackStore(repository, index, options);
    const saver = new BlobSaver(repository, index, packs, "tree");
    const result = await work(saver);
    await saver.flush();
    await packs.finish();
    return { result, newTrees: saver.totals.blobs };
  });
}

/** A directory as nodes of JSON text; a subdirectory's text has `SUBTREE` where its id goes. */
export interface TextTree {
  readonly before: string;
  readonly after: string;
  readonly nodes: readonly { readonly text: string; readonly below: TextTree | null }[];
}

export async function saveTextTree(saver: BlobSaver, tree: TextTree): Promise<string> {
  const texts: string[] = [];
  for (const { text, below } of tree.nodes)
    texts.push(below === null ? text : text.replace("SUBTREE", await saveTextTree(saver, below)));
  return saver.save(Buffer.from(tree.before + texts.join(",") + tree.after));
}

export async function rewriteTree(
  repository: Repository,
  treeId: string,
  options: Partial<TreeRewriteOptions> = {},
): Promise<RewrittenTree & { readonly newTrees: number }> {
  const { result, newTrees } = await storingTrees(repository, (saver) => {
    return new TreeRewriter(repository, saver, {
      rewriteNode: (_path, node) => node,
      ignoresPaths: false,
      ...options,
    }).rewrite(treeId);
  });
  return { ...result, newTrees };
}
