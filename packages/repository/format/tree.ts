// A tree: the nodes of one directory as one JSON text, whose hash is the tree's id.
//
// Source: restic's design document, "Trees and Data": `{"nodes":[...]}` and a newline, the nodes in strictly
// ascending byte order of their raw names.

import { HoldfastError } from "../errors.ts";
import { quoteName } from "./go-json.ts";
import type { TimeFormatter } from "./go-time.ts";
import { JsonScanner } from "./json-scanner.ts";
import { encodeNodeHead, encodeNodeTail, readName, readNode, type TreeNode } from "./node.ts";

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

/** Calls `readElement` with the scanner before each node. Unknown members beside `nodes` are passed over. */
function* eachNode<Value>(scanner: JsonScanner, readElement: () => Value): Generator<Value, void, undefined> {
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
      yield readElement();
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
  for (const node of eachNode(scanner, () => readNode(scanner))) {
    checkOrder(previous, node.name);
    previous = node.name;
    nodes.push(node);
  }
  return nodes;
}

/** Where one node's JSON lies in its tree: from its opening brace to behind its closing one. */
export interface RawNode {
  /** The raw bytes of the name, not quoted. */
  readonly nameBytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * The spans of the nodes of a tree, without reading more of them than the names: a scanner takes over the
 * bytes of what has not changed. Errors as in `parseTree`, but nodes are only checked for their brackets:
 * the bytes are those of a blob whose id was checked.
 */
export function* iterateRawNodes(bytes: Buffer): Generator<RawNode, void, undefined> {
  const scanner = new JsonScanner(bytes, "tree");
  let previous: Buffer | null = null;
  for (const node of eachNode(scanner, () => readRawNode(scanner))) {
    checkOrder(previous, node.nameBytes);
    previous = node.nameBytes;
    yield node;
  }
}

/** What follows a node's opening brace in every tree that is written as restic does it. */
const nameMember = Buffer.from('{"name":');

function readRawNode(scanner: JsonScanner): RawNode {
  scanner.peek();
  const start = scanner.position;
  if (!scanner.bytes.subarray(start, start + nameMember.length).equals(nameMember)) {
    const { name } = readNode(scanner);
    return { nameBytes: name, start, end: scanner.position };
  }
  scanner.position = start + nameMember.length;
  const nameBytes = readName(scanner);
  scanner.position = start;
  scanner.skipBrackets();
  return { nameBytes, start, end: scanner.position };
}
