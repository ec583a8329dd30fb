// A tree: the nodes of one directory as one JSON text, whose hash is the tree's id.
//
// Source: restic's design document, "Trees and Data": `{"nodes":[...]}` and a newline, the nodes in strictly
// ascending byte order of their raw names.

import { HoldfastError } from "../errors.ts";
import { quoteName } from "./go-json.ts";
import type { TimeFormatter } from "./go-time.ts";
import { JsonScanner } from "./json-scanner.ts";
import { encodeNodeHead, encodeNodeTail, readNode, type TreeNode } from "./node.ts";

/** What stands before the first node, between two, and after the last: for writers that join encoded nodes. */
export const treeBeginning = '{"nodes":[';
export const treeSeparator = ",";
export const treeEnd = "]}\n";

/** Throws `internal` unless the nodes are in strictly ascending order of their names. */
export function encodeTree(nodes: readonly TreeNode[], formatTime: TimeFormatter): Buffer {
  const texts = nodes.map((node, index) => {
    const previous = nodes[index - 1];
    if (previous !== undefined && Buffer.compare(previous.name, node.name) >= 0) {
      throw new HoldfastError(
        "internal",
        `a tree is not in order: ${quoteName(node.name)} after ${quoteName(previous.name)}`,
      );
    }
    return encodeNodeHead(node, formatTime) + encodeNodeTail(node);
  });
  return Buffer.from(treeBeginning + texts.join(treeSeparator) + treeEnd, "utf8");
}

/**
 * Stops at the beginning of each node, for the caller to read or to skip it. Unknown members beside `nodes` are passed
 * over. Throws `damaged`.
 */
export function* eachNodeStart(scanner: JsonScanner): Generator<void, void, undefined> {
  let member: string | null;
  let isFound = false;
  scanner.expect(0x7b);
  for (let isFirst = true; (member = scanner.nextMember(isFirst)) !== null; isFirst = false) {
    if (member !== "nodes" || isFound) {
      scanner.skipValue();
      continue;
    }
    isFound = true;
    if (scanner.takeNull()) {
      continue;
    }
    scanner.expect(0x5b);
    for (let isFirstNode = true; scanner.nextElement(isFirstNode); isFirstNode = false) {
      scanner.peek();
      yield;
    }
  }
  scanner.expectEnd();
  if (!isFound) {
    throw new HoldfastError("damaged", "a tree has no list of nodes");
  }
}

function checkOrder(previous: Buffer | null, name: Buffer): void {
  if (previous !== null && Buffer.compare(previous, name) >= 0) {
    throw new HoldfastError("damaged", `a tree is not in order: ${quoteName(name)} after ${quoteName(previous)}`);
  }
}

/**
 * The nodes of a tree. Throws `damaged` for malformed JSON, wrong types, and names out of order or twice;
 * `hostile` for a name that could lead out of its directory; `unsupported` for unknown types of nodes.
 * Names may be views of `bytes`.
 */
export function parseTree(bytes: Buffer): TreeNode[] {
  const scanner = new JsonScanner(bytes, "tree");
  const nodes: TreeNode[] = [];
  let previous: Buffer | null = null;
  for (const _ of eachNodeStart(scanner)) {
    const node = readNode(scanner);
    checkOrder(previous, node.name);
    previous = node.name;
    nodes.push(node);
  }
  return nodes;
}
