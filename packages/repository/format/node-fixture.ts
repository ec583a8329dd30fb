// Any nodes and trees, for properties of what reads, writes and changes them.
import fc from "fast-check";
import { createTimeFormatter } from "./go-time.ts";
import type { TreeNode } from "./node.ts";

export const formatTime = createTimeFormatter();

export const emptyNode: TreeNode = {
  name: Buffer.from("name"),
  type: "file",
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

const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 10n }));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const time = fc.bigInt({ min: 94_694_400_000_000_000n, max: 253_000_000_000_000_000_000n });
const bytes = fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array));
const isSafeName = (name: Buffer): boolean =>
  name.length > 0 && !name.includes(0) && !name.includes(0x2f) && ![".", ".."].includes(name.toString());
/** Any bytes that may be a name. */
export const name = fc
  .oneof(
    bytes,
    fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
  )
  .filter(isSafeName);
const anyId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((array) => Buffer.from(array).toString("hex"));
const text = fc.string({ unit: "grapheme" });
export const node: fc.Arbitrary<TreeNode> = fc.record(
  {
    name,
    type: fc.constantFrom("file", "dir", "symlink", "dev", "chardev", "fifo", "socket", "irregular", ""),
    mode: uint32,
    mtime: time,
    atime: time,
    ctime: time,
    uid: uint32,
    gid: uint32,
    user: text,
    group: text,
    inode: uint64,
    deviceId: uint64,
    size: uint64,
    links: uint64,
    linkTarget: fc.option(bytes.filter((target) => target.length > 0)),
    xattrs: fc.array(fc.record({ name: text, value: bytes }, { noNullPrototype: true }), { maxLength: 3 }),
    genericAttributes: fc.option(fc.constantFrom("{}", '{"windows.creation_time":"AAA=","x":[1.50,{"y":null}]}')),
    device: uint64,
    content: fc.option(fc.array(anyId, { maxLength: 3 })),
    subtree: fc.option(anyId),
    error: text,
  },
  { noNullPrototype: true },
);
/** The nodes of one tree, in their order. */
export const nodes = fc
  .uniqueArray(node, { maxLength: 6, selector: (item) => item.name.toString("hex") })
  .map((list) => list.toSorted((a, b) => Buffer.compare(a.name, b.name)));
