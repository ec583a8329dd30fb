// What a check needs to know of one tree: the blobs and trees that it names, and what is wrong with it.
import { HoldfastError } from "../errors.ts";
import { quoteName } from "../format/go-json.ts";
import { idBytes } from "../format/id.ts";
import type { TreeNode } from "../format/node.ts";
import { parseTree } from "../format/tree.ts";

export interface TreeFacts {
  /** Ids of 32 bytes, one behind the other. */
  readonly content: Uint8Array<ArrayBuffer>;
  readonly subtrees: Uint8Array<ArrayBuffer>;
  readonly problems: readonly string[];
  /** False when the tree cannot be parsed: then it names nothing. */
  readonly isParsed: boolean;
}

export function factsOfTree(bytes: Buffer): TreeFacts {
  let nodes: readonly TreeNode[];
  try {
    nodes = parseTree(bytes);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "internal") throw error;
    return { content: new Uint8Array(), subtrees: new Uint8Array(), problems: [error.message], isParsed: false };
  }
  return {
    content: joinIds(nodes.map(({ content }) => content ?? [])),
    subtrees: joinIds([nodes.flatMap(({ subtree }) => subtree ?? [])]),
    problems: nodes.flatMap(problemsOfNode),
    isParsed: true,
  };
}

function joinIds(lists: readonly (readonly string[])[]): Uint8Array<ArrayBuffer> {
  const joined = Buffer.alloc(lists.reduce((sum, list) => sum + list.length, 0) * idBytes);
  let at = 0;
  for (const list of lists) for (const id of list) at += joined.write(id, at, "hex");
  return joined;
}

/** What restic, too, takes for damage in a node. */
function problemsOfNode({ name, type, content, subtree }: TreeNode): string[] {
  switch (type) {
    case "file":
      return content === null ? [`${quoteName(name)} is a file without a list of blobs`] : [];
    case "dir":
      return subtree === null ? [`${quoteName(name)} is a directory without a tree`] : [];
    case "symlink":
    case "dev":
    case "chardev":
    case "fifo":
    case "socket":
      return [];
    default:
      return [`${quoteName(name)} has the type "${type}", which cannot be`];
  }
}
