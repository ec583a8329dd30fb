// One node of a tree: a file, a directory, a link or another thing with its metadata, to and from JSON.
//
// Source: restic's design document, "Trees and Data", and the order and omissions of fields that its trees
// show. Byte-exact, because a tree's id is the hash of this text: one byte more and nothing deduplicates.

import { isUtf8 } from "node:buffer";
import { HoldfastError } from "../errors.ts";
import type { NodeType } from "./file-mode.ts";
import { decodeBase64, goJsonBytes, goJsonString, goUnquote, quoteName } from "./go-json.ts";
import { parseTime, type TimeFormatter } from "./go-time.ts";
import type { JsonScanner } from "./json-scanner.ts";

export interface ExtendedAttribute {
  readonly name: string;
  readonly value: Buffer;
}

/** What `stat` and the names of user and group tell: the part of a node that is written first. */
export interface NodeHead {
  /** The raw bytes of the name in its directory. */
  name: Buffer;
  type: NodeType;
  /** Go's os.FileMode, an unsigned 32-bit number; see file-mode.ts. */
  mode: number;
  /** Nanoseconds since the epoch. */
  mtime: bigint;
  atime: bigint;
  ctime: bigint;
  uid: number;
  gid: number;
  /** Empty where unknown, as with all texts and numbers here: then the field is left out. */
  user: string;
  group: string;
  inode: bigint;
  deviceId: bigint;
  size: bigint;
  links: bigint;
}

/** What must be read or computed: the part of a node that is written last. */
export interface NodeTail {
  linkTarget: Buffer | null;
  xattrs: readonly ExtendedAttribute[];
  /** The JSON object as it stands in the tree (Windows attributes); null where there is none. */
  genericAttributes: string | null;
  /** st_rdev of a device. */
  device: bigint;
  /** The blobs of a file, `[]` for an empty one; null for what is no file. */
  content: readonly string[] | null;
  /** The tree of a directory. */
  subtree: string | null;
  error: string;
}

export type TreeNode = NodeHead & NodeTail;

function optionalNumber(name: string, value: bigint): string {
  // Writing a number is faster than writing a bigint.
  return value === 0n ? "" : `,"${name}":${value <= 0x1f_ffff_ffff_ffffn ? Number(value) : value}`;
}

function optionalText(name: string, value: string): string {
  return value === "" ? "" : `,"${name}":${goJsonString(value)}`;
}

/**
 * The JSON of a node from its opening brace up to and including `links`. It depends on nothing but what is
 * passed, so that a scanner can compare it with the beginning of the node in the parent's tree. To be
 * written as UTF-8.
 */
export function encodeNodeHead(node: NodeHead, formatTime: TimeFormatter): string {
  const mtime = formatTime(node.mtime);
  const atime = node.atime === node.mtime ? mtime : formatTime(node.atime);
  const ctime = node.ctime === node.mtime ? mtime : formatTime(node.ctime);
  const mode = node.mode === 0 ? "" : `,"mode":${node.mode}`;
  return (
    `{"name":${quoteName(node.name)},"type":"${node.type}"${mode}` +
    `,"mtime":"${mtime}","atime":"${atime}","ctime":"${ctime}","uid":${node.uid},"gid":${node.gid}` +
    optionalText("user", node.user) +
    optionalText("group", node.group) +
    optionalNumber("inode", node.inode) +
    optionalNumber("device_id", node.deviceId) +
    optionalNumber("size", node.size) +
    optionalNumber("links", node.links)
  );
}

function encodeLinkTarget(target: Buffer | null): string {
  if (target === null || target.length === 0) {
    return "";
  }
  const text = `,"linktarget":${goJsonBytes(target)}`;
  return isUtf8(target) ? text : `${text},"linktarget_raw":"${target.toString("base64")}"`;
}

function encodeXattrs(xattrs: readonly ExtendedAttribute[]): string {
  if (xattrs.length === 0) {
    return "";
  }
  const items = xattrs.map(({ name, value }) => `{"name":${goJsonString(name)},"value":"${value.toString("base64")}"}`);
  return `,"extended_attributes":[${items.join(",")}]`;
}

function encodeContent(content: readonly string[] | null): string {
  if (content === null) {
    return ',"content":null';
  }
  return content.length === 0 ? ',"content":[]' : `,"content":["${content.join('","')}"]`;
}

/** The rest of the JSON of a node, from `linktarget` to the closing brace. To be written as UTF-8. */
export function encodeNodeTail(node: NodeTail): string {
  return (
    encodeLinkTarget(node.linkTarget) +
    encodeXattrs(node.xattrs) +
    (node.genericAttributes === null ? "" : `,"generic_attributes":${node.genericAttributes}`) +
    optionalNumber("device", node.device) +
    encodeContent(node.content) +
    (node.subtree === null ? "" : `,"subtree":"${node.subtree}"`) +
    optionalText("error", node.error) +
    "}"
  );
}

/**
 * The JSON of a file's node whose content is `ids` (32 bytes each), `content` of the node left aside. It takes no more
 * memory than the JSON itself: the list of a database has megabytes.
 */
export function encodeFileNode(node: TreeNode, ids: Buffer, formatTime: TimeFormatter): Buffer {
  const text = encodeNodeHead(node, formatTime) + encodeNodeTail({ ...node, content: [] });
  // Quotes inside of strings are escaped, so nothing else looks like this.
  const splitAt = text.indexOf(emptyContent) + emptyContent.length - 1;
  const before = Buffer.from(text.slice(0, splitAt));
  const after = Buffer.from(text.slice(splitAt));
  const count = ids.length / idBytes;
  const json = Buffer.allocUnsafeSlow(before.length + Math.max(0, count * idJsonBytes - 1) + after.length);
  let at = before.copy(json);
  for (let i = 0; i < count; i++) {
    if (i > 0) json[at++] = comma;
    json[at++] = quote;
    at += json.latin1Write(ids.toString("hex", i * idBytes, (i + 1) * idBytes), at);
    json[at++] = quote;
  }
  after.copy(json, at);
  return json;
}

const emptyContent = '"content":[]';
const idBytes = 32;
/** Two quotes and a comma around the digits. */
const idJsonBytes = 67;
const comma = 0x2c;
const quote = 0x22;

const nodeTypes: ReadonlySet<string> = new Set([
  "file",
  "dir",
  "symlink",
  "dev",
  "chardev",
  "fifo",
  "socket",
  "irregular",
  "",
] satisfies NodeType[]);

function readType(scanner: JsonScanner): NodeType {
  const type = scanner.string();
  if (!nodeTypes.has(type)) {
    throw new HoldfastError("unsupported", `a tree holds a node of the unknown type ${goJsonString(type)}`);
  }
  return type as NodeType;
}

/** Throws `hostile` for a name that could lead out of its directory. */
function checkName(name: Buffer): void {
  const isDots = name.equals(dot) || name.equals(dotDot);
  if (name.length === 0 || isDots || name.includes(0x2f) || name.includes(0)) {
    const shown = quoteName(name);
    throw new HoldfastError("hostile", `a tree holds a node with the forbidden name ${shown}`, {
      context: { name: shown },
    });
  }
}
const dot = Buffer.from(".");
const dotDot = Buffer.from("..");

/** The raw bytes of a node's name; a view of the scanned bytes where they need no decoding. */
function readName(scanner: JsonScanner): Buffer {
  scanner.peek();
  const start = scanner.position;
  const isPlain = scanner.skipString();
  if (isPlain) {
    const name = scanner.bytes.subarray(start + 1, scanner.position - 1);
    checkName(name);
    return name;
  }
  scanner.position = start;
  const name = goUnquote(scanner.string());
  checkName(name);
  return name;
}

function readXattrs(scanner: JsonScanner): ExtendedAttribute[] {
  const xattrs: ExtendedAttribute[] = [];
  scanner.expect(0x5b);
  for (let isFirst = true; scanner.nextElement(isFirst); isFirst = false) {
    const attribute: { name: string; value: Buffer } = { name: "", value: Buffer.alloc(0) };
    scanner.expect(0x7b);
    let member: string | null;
    for (let isFirstMember = true; (member = scanner.nextMember(isFirstMember)) !== null; isFirstMember = false) {
      if (member === "name") {
        attribute.name = scanner.string();
      } else if (member === "value") {
        attribute.value = scanner.takeNull() ? Buffer.alloc(0) : decodeBase64(scanner.string());
      } else {
        scanner.skipValue();
      }
    }
    xattrs.push(attribute);
  }
  return xattrs;
}

function readContent(scanner: JsonScanner): string[] {
  const content: string[] = [];
  scanner.expect(0x5b);
  for (let isFirst = true; scanner.nextElement(isFirst); isFirst = false) {
    content.push(scanner.id());
  }
  return content;
}

function readGenericAttributes(scanner: JsonScanner): string {
  if (scanner.peek() !== 0x7b) {
    throw scanner.damaged("an object");
  }
  const start = scanner.position;
  scanner.skipValue();
  return scanner.bytes.toString("utf8", start, scanner.position);
}

const maximumUint32 = 0xffff_ffff;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Reads the value of one field of a node. Fields that are not known are passed over. */
function readField(scanner: JsonScanner, field: string, node: Mutable<TreeNode>): void {
  switch (field) {
    case "name":
      node.name = readName(scanner);
      return;
    case "type":
      node.type = readType(scanner);
      return;
    case "mode":
      node.mode = scanner.integer(maximumUint32);
      return;
    case "mtime":
      node.mtime = parseTime(scanner.string());
      return;
    case "atime":
      node.atime = parseTime(scanner.string());
      return;
    case "ctime":
      node.ctime = parseTime(scanner.string());
      return;
    case "uid":
      node.uid = scanner.integer(maximumUint32);
      return;
    case "gid":
      node.gid = scanner.integer(maximumUint32);
      return;
    case "user":
      node.user = scanner.string();
      return;
    case "group":
      node.group = scanner.string();
      return;
    case "inode":
      node.inode = scanner.uint64();
      return;
    case "device_id":
      node.deviceId = scanner.uint64();
      return;
    case "size":
      node.size = scanner.uint64();
      return;
    case "links":
      node.links = scanner.uint64();
      return;
    case "linktarget": {
      const target = Buffer.from(scanner.string(), "utf8");
      node.linkTarget ??= target; // the raw form, which is exact, may have come first
      return;
    }
    case "linktarget_raw":
      node.linkTarget = decodeBase64(scanner.string());
      return;
    case "extended_attributes":
      node.xattrs = readXattrs(scanner);
      return;
    case "generic_attributes":
      node.genericAttributes = readGenericAttributes(scanner);
      return;
    case "device":
      node.device = scanner.uint64();
      return;
    case "content":
      node.content = readContent(scanner);
      return;
    case "subtree":
      node.subtree = scanner.id();
      return;
    case "error":
      node.error = scanner.string();
      return;
    default:
      scanner.skipValue();
  }
}

/**
 * Reads a node at the cursor. Throws `damaged` for what no honest program writes by accident, `hostile` for
 * a forbidden name, `unsupported` for an unknown type. A field that is null or missing has its empty value.
 */
export function readNode(scanner: JsonScanner): TreeNode {
  const node: TreeNode = {
    name: noName,
    type: "",
    mode: 0,
    mtime: 0n,
    atime: 0n,
    ctime: 0n,
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    inode: 0n,
    deviceId: 0n,
    size: 0n,
    links: 0n,
    linkTarget: null,
    xattrs: [],
    genericAttributes: null,
    device: 0n,
    content: null,
    subtree: null,
    error: "",
  };
  scanner.expect(0x7b);
  let field: string | null;
  for (let isFirst = true; (field = scanner.nextMember(isFirst)) !== null; isFirst = false) {
    if (!scanner.takeNull()) {
      readField(scanner, field, node);
    }
  }
  if (node.name === noName) {
    checkName(node.name);
  }
  return node;
}
const noName = Buffer.alloc(0);
