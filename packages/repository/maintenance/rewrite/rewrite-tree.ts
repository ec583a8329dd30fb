// Rewrites the trees of a snapshot from the leaves up: nodes left out or changed, all else kept byte for byte.
import { hash } from "node:crypto";
import { hasCode, HoldfastError } from "../../errors.ts";
import { byteString, joinPath } from "../../filesystem/path.ts";
import { displayPath } from "../../filesystem/system-error.ts";
import { editNode, type NodeEdit } from "../../format/edit-node.ts";
import { JsonScanner } from "../../format/json-scanner.ts";
import { readNode, type TreeNode } from "../../format/node.ts";
import { eachNodeStart, parseTree, treeBeginning, treeEnd, treeSeparator } from "../../format/tree.ts";
import type { Repository } from "../../store/repository.ts";
import type { BlobSaver } from "../../writer/blob-saver.ts";

/** What may come out of a node: `content` and `size` of what is returned count, nothing else of it. */
export type RewrittenNode = Pick<TreeNode, "content" | "size">;

export interface TreeRewriteOptions {
  /**
   * Asked for every node, parents before their contents. `path` is absolute in the snapshot, raw bytes. Returns the
   * node itself to keep it, `{ ...node, content, size }` to change these two, or null to leave it (and all below) out.
   * `path` and `node.name` must be copied to be kept.
   */
  readonly rewriteNode: (path: Buffer, node: TreeNode) => RewrittenNode | null;
  /** True if `rewriteNode` looks at the node only, never at its path: then equal trees are rewritten once wherever they lie. */
  readonly ignoresPaths: boolean;
  /** Whether a directory that is or becomes empty stays; every one does without it. Asked for the root ("/") as well. */
  readonly keepsEmptyDirectory?: (path: Buffer) => boolean;
  /**
   * What becomes of a directory whose tree cannot be read or parsed (`damaged`, `hostile`, `unsupported`), or that has
   * none (`treeId` null): an empty tree in its place, or the directory is left out. Without it the error is thrown.
   */
  readonly replaceUnreadable?: (path: Buffer, treeId: string | null, error: HoldfastError) => "empty" | "leave-out";
  readonly signal?: AbortSignal | undefined;
}

/** A tree that was rewritten, and what it now holds down to its leaves. */
export interface RewrittenTree {
  /** The same id as before when nothing changed; null when the tree itself is left out. */
  readonly treeId: string | null;
  /** Regular files, hard links each time, and the sum of their sizes: what a snapshot's summary counts. */
  readonly fileCount: number;
  readonly fileBytes: bigint;
}

/** Entries of some 250 bytes each. */
const rememberedTrees = 100_000;
const maximumDepth = 2048;
const rootPath = Buffer.from("/");
const emptyTree = Buffer.from(treeBeginning + treeEnd);
const leftOut: RewrittenTree = { treeId: null, fileCount: 0, fileBytes: 0n };

/**
 * Rewrites any number of snapshots' trees one after another, and remembers what became of the last 100,000 subtrees
 * (by their path too, unless the options ignore paths), so that snapshots that share trees share the work.
 *
 * Nothing of a kept node is lost: it is copied byte for byte, with fields that are not known, and in a changed one all
 * other fields are. New trees go to `saver`; trees in which nothing changed are not written. They are durable only
 * after `saver.flush()` and `finish()` of its pack store, and only then may a snapshot name them. Must run inside
 * `repository.claiming`. Memory: the trees on the way from the root to the one at work.
 */
export class TreeRewriter {
  readonly #repository: Repository;
  readonly #saver: BlobSaver;
  readonly #options: TreeRewriteOptions;
  readonly #known = new Map<string, RewrittenTree>();

  constructor(repository: Repository, saver: BlobSaver, options: TreeRewriteOptions) {
    this.#repository = repository;
    this.#saver = saver;
    this.#options = options;
  }

  /** The tree of a snapshot, by its id. Throws what reading throws unless `replaceUnreadable` is given. */
  rewrite(treeId: string): Promise<RewrittenTree> {
    return this.#rewrite(rootPath, treeId, 0);
  }

  async #rewrite(path: Buffer, treeId: string | null, depth: number): Promise<RewrittenTree> {
    const { signal, replaceUnreadable } = this.#options;
    if (signal?.aborted) throw new HoldfastError("interrupted", "rewriting was interrupted", { cause: signal.reason });
    const known = treeId === null ? undefined : this.#recall(path, treeId);
    if (known) return known;
    let bytes: Buffer;
    try {
      bytes = await this.#load(path, treeId, depth);
    } catch (error) {
      if (!replaceUnreadable || !isUnreadable(error)) throw error;
      if (replaceUnreadable(path, treeId, error) === "leave-out") return leftOut;
      return { treeId: await this.#saver.save(emptyTree), fileCount: 0, fileBytes: 0n };
    }
    const result = await this.#rewriteNodes(path, treeId!, bytes, depth);
    this.#remember(path, treeId!, result);
    return result;
  }

  /** Parsed once in full before any node is given away: half a tree is none. */
  async #load(path: Buffer, treeId: string | null, depth: number): Promise<Buffer> {
    if (treeId === null) throw new HoldfastError("damaged", `the directory ${displayPath(path)} has no tree`);
    if (depth > maximumDepth) throw new HoldfastError("hostile", "directories are nested without end");
    const bytes = await this.#repository.loadBlob("tree", treeId);
    parseTree(bytes);
    return bytes;
  }

  async #rewriteNodes(path: Buffer, treeId: string, bytes: Buffer, depth: number): Promise<RewrittenTree> {
    const scanner = new JsonScanner(bytes, "tree");
    const text = new EditedTree(bytes);
    let fileCount = 0;
    let fileBytes = 0n;
    for (const _ of eachNodeStart(scanner)) {
      const start = scanner.position;
      const node = readNode(scanner);
      const end = scanner.position;
      const nodePath = joinPath(path, byteString(node.name));
      const rewritten = this.#options.rewriteNode(nodePath, node);
      let edit = rewritten && editOf(node, rewritten);
      if (edit && node.type === "dir") {
        const below = await this.#rewrite(nodePath, node.subtree, depth + 1);
        fileCount += below.fileCount;
        fileBytes += below.fileBytes;
        if (below.treeId === null) edit = null;
        else if (below.treeId !== node.subtree) edit = { ...edit, subtree: below.treeId };
      } else if (rewritten && node.type === "file") {
        fileCount++;
        fileBytes += rewritten.size;
      }
      text.add(start, end, edit);
    }
    if (text.count === 0 && !(this.#options.keepsEmptyDirectory?.(path) ?? true)) return leftOut;
    const edited = text.finish();
    return { treeId: edited ? await this.#saver.save(edited) : treeId, fileCount, fileBytes };
  }

  #recall(path: Buffer, treeId: string): RewrittenTree | undefined {
    const key = this.#key(path, treeId);
    const known = this.#known.get(key);
    if (known) {
      // Most recently used last.
      this.#known.delete(key);
      this.#known.set(key, known);
    }
    return known;
  }

  #remember(path: Buffer, treeId: string, result: RewrittenTree): void {
    this.#known.set(this.#key(path, treeId), result);
    if (this.#known.size <= rememberedTrees) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }

  #key(path: Buffer, treeId: string): string {
    return this.#options.ignoresPaths ? treeId : hash("sha256", Buffer.concat([Buffer.from(treeId), path]), "base64");
  }
}

function isUnreadable(error: unknown): error is HoldfastError {
  return hasCode(error, "damaged") || hasCode(error, "hostile") || hasCode(error, "unsupported");
}

function editOf(node: TreeNode, { content, size }: RewrittenNode): NodeEdit {
  return {
    ...(content === node.content ? {} : { content }),
    ...(size === node.size ? {} : { size }),
  };
}

/** The text of a tree with nodes left out or changed: what stands before the first and after the last is kept, too. */
class EditedTree {
  readonly #bytes: Buffer;
  /** Runs of nodes that follow one another unchanged are one piece. */
  readonly #pieces: Buffer[] = [];
  #keptFrom = -1;
  #keptUntil = -1;
  #beginning = -1;
  #end = -1;
  #isChanged = false;
  count = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The next node, which stands from `start` to `end`; null leaves it out. */
  add(start: number, end: number, edit: NodeEdit | null): void {
    if (this.#beginning < 0) this.#beginning = start;
    this.#end = end;
    if (edit && Object.keys(edit).length === 0) {
      if (this.#keptFrom < 0) this.#keptFrom = start;
      this.#keptUntil = end;
      this.count++;
      return;
    }
    this.#isChanged = true;
    this.#closeRun();
    if (!edit) return;
    this.#pieces.push(editNode(this.#bytes.subarray(start, end), edit));
    this.count++;
  }

  /** The new text, or null if it is the old one. */
  finish(): Buffer | null {
    if (!this.#isChanged) return null;
    this.#closeRun();
    const separator = Buffer.from(treeSeparator);
    const between = this.#pieces.flatMap((piece, i) => (i === 0 ? [piece] : [separator, piece]));
    return Buffer.concat([this.#bytes.subarray(0, this.#beginning), ...between, this.#bytes.subarray(this.#end)]);
  }

  #closeRun(): void {
    if (this.#keptFrom >= 0) this.#pieces.push(this.#bytes.subarray(this.#keptFrom, this.#keptUntil));
    this.#keptFrom = -1;
  }
}
