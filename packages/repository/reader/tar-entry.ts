// Entries of tar archives.
//
// Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; extended attributes under
// SCHILY.xattr, as GNU tar, bsdtar and star write and read them.
import { permissionsOfGoMode } from "../format/file-mode.ts";
import type { TreeNode } from "../format/node.ts";
import { splitDevice, splitTime } from "../filesystem/status-area.ts";

const blockBytes = 512;
const typeFlags: Readonly<Record<string, string>> = {
  file: "0",
  symlink: "2",
  chardev: "3",
  dev: "4",
  dir: "5",
  fifo: "6",
};
const nothing = Buffer.alloc(0);

/** Two blocks of zeros end an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockBytes);

/** The zeros behind a content of `sizeBytes`. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes);
}

/** The header of an entry, with a pax header in front that holds times to the nanosecond and what does not fit; null for sockets and the like. */
export function tarHeader(path: Buffer, node: TreeNode): Buffer | null {
  const flag = typeFlags[node.type];
  if (flag === undefined) return null;
  const name = node.type === "dir" ? Buffer.concat([path, Buffer.from("/")]) : path;
  const link = node.type === "symlink" ? (node.linkTarget ?? nothing) : nothing;
  const size = node.type === "file" ? node.size : 0n;
  const records = paxRecords(name, link, size, node);
  const facts = {
    name,
    link,
    mode: permissionsOfGoMode(node.mode),
    uid: node.uid,
    gid: node.gid,
    size,
    mtimeNs: node.mtime,
    device: node.device,
    user: node.user,
    group: node.group,
  };
  const paxFacts = {
    ...facts,
    name: Buffer.from("PaxHeaders/entry"),
    link: nothing,
    size: BigInt(records.length),
    mode: 0o644,
    device: 0n,
  };
  return Buffer.concat([headerBlock(paxFacts, "x"), records, tarPadding(records.length), headerBlock(facts, flag)]);
}

interface BlockFacts {
  readonly name: Buffer;
  readonly link: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly device: bigint;
  readonly user: string;
  readonly group: string;
}

function headerBlock(facts: BlockFacts, flag: string): Buffer {
  const block = Buffer.alloc(blockBytes);
  facts.name.copy(block, 0, 0, 100);
  octal(block, 100, 8, BigInt(facts.mode));
  octal(block, 108, 8, BigInt(facts.uid));
  octal(block, 116, 8, BigInt(facts.gid));
  octal(block, 124, 12, facts.size);
  octal(block, 136, 12, splitTime(facts.mtimeNs).seconds);
  block.write(flag, 156, "latin1");
  facts.link.copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257, "latin1");
  block.write(facts.user, 265, 31, "utf8");
  block.write(facts.group, 297, 31, "utf8");
  const device = splitDevice(facts.device);
  octal(block, 329, 8, BigInt(device.major));
  octal(block, 337, 8, BigInt(device.minor));
  block.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Octal digits with a zero byte behind; what does not fit stands in the pax header, and zeros here. */
function octal(block: Buffer, offset: number, width: number, value: bigint): void {
  const digits = value < 0n ? "" : value.toString(8);
  block.write((digits.length < width ? digits : "").padStart(width - 1, "0"), offset, "latin1");
}

function paxRecords(name: Buffer, link: Buffer, size: bigint, node: TreeNode): Buffer {
  const records = [
    record("mtime", paxTime(node.mtime)),
    record("atime", paxTime(node.atime)),
    record("ctime", paxTime(node.ctime)),
  ];
  if (needsRecord(name)) records.push(record("path", name));
  if (needsRecord(link)) records.push(record("linkpath", link));
  if (size >= 8n ** 11n) records.push(record("size", size.toString()));
  if (node.uid >= 8 ** 7) records.push(record("uid", String(node.uid)));
  if (node.gid >= 8 ** 7) records.push(record("gid", String(node.gid)));
  if (Buffer.byteLength(node.user) > 31) records.push(record("uname", node.user));
  if (Buffer.byteLength(node.group) > 31) records.push(record("gname", node.group));
  for (const { name: attribute, value } of node.xattrs) records.push(record(`SCHILY.xattr.${attribute}`, value));
  return Buffer.concat(records);
}

/** Longer than the block's field, or not plain text. */
function needsRecord(text: Buffer): boolean {
  return text.length > 100 || text.some((byte) => byte >= 0x80);
}

/** "LENGTH KEY=VALUE\n", where the length counts itself. */
function record(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as Buffer), Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Seconds with a fraction; before 1970 both count down from zero. */
function paxTime(timeNs: bigint): string {
  const sign = timeNs < 0n ? "-" : "";
  const absolute = timeNs < 0n ? -timeNs : timeNs;
  const fraction = (absolute % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${sign}${absolute / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
}
