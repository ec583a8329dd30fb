// Makes trees of files for whole-system tests: ordinary ones, and one with everything a Unix file system can hold.
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  closeSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { expectStatus, run } from "./programs.ts";

/** Bytes that do not compress, always the same for the same seed. */
export function noise(seed: string, lengthBytes: number): Buffer {
  const parts: Buffer[] = [];
  let block = createHash("shake256", { outputLength: Math.min(lengthBytes, 1 << 20) })
    .update(seed)
    .digest();
  for (let made = 0; made < lengthBytes; made += block.length) {
    parts.push(block);
    block = createHash("shake256", { outputLength: Math.max(1, Math.min(lengthBytes - made - block.length, 1 << 20)) })
      .update(block.subarray(0, 64))
      .digest();
  }
  return Buffer.concat(parts).subarray(0, lengthBytes);
}

/** Text that compresses as text does. */
export function prose(seed: string, lengthBytes: number): Buffer {
  const words =
    noise(seed, 4096)
      .toString("base64")
      .match(/.{1,7}/g) ?? [];
  const picks = noise(`${seed} order`, Math.ceil(lengthBytes / 4));
  const text: string[] = [];
  let made = 0;
  for (const pick of picks) {
    const word = words[pick] ?? "";
    text.push(word);
    made += word.length + 1;
    if (made >= lengthBytes) break;
  }
  return Buffer.from(text.join(" ").padEnd(lengthBytes, ".").slice(0, lengthBytes));
}

/** Some folders of small files, and larger ones of several chunks: about 9 MiB. */
export function makeOrdinaryTree(root: string, seed = "ordinary"): void {
  mkdirSync(root, { recursive: true });
  for (let folder = 0; folder < 6; folder++) {
    const directory = path.join(root, `folder ${folder}`, "inner");
    mkdirSync(directory, { recursive: true });
    for (let file = 0; file < 12; file++) {
      writeFileSync(
        path.join(directory, `file-${file}.txt`),
        prose(`${seed} ${folder} ${file}`, 300 * (file + 1) ** 2),
      );
    }
  }
  writeFileSync(path.join(root, "noise.bin"), noise(seed, 3_500_000));
  writeFileSync(path.join(root, "prose.txt"), prose(seed, 4_000_000));
  writeFileSync(path.join(root, "zeros"), Buffer.alloc(1_200_000));
  writeFileSync(path.join(root, "empty"), "");
  symlinkSync("noise.bin", path.join(root, "link"));
  mkdirSync(path.join(root, "empty folder"));
}

/** Changes, adds and removes a little in an ordinary tree. */
export function changeOrdinaryTree(root: string, seed = "change"): void {
  writeFileSync(path.join(root, "folder 1", "inner", "file-3.txt"), prose(seed, 5000));
  writeFileSync(path.join(root, "folder 2", "new file"), noise(seed, 40_000));
  writeFileSync(path.join(root, "prose.txt"), prose(seed, 700_000), { flag: "a" });
}

/**
 * Everything: odd names, links of both kinds, a FIFO, devices, set-id bits, owners, extended attributes, ACLs,
 * times to the nanosecond, holes, an empty directory. Needs root.
 */
export function makeOddTree(root: string): void {
  mkdirSync(root, { recursive: true });
  const at = (...names: string[]): string => path.join(root, ...names);
  const raw = (...bytes: number[]): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(bytes)]);
  writeFileSync(raw(0x66, 0xff, 0xfe, 0x80), "a name that is no UTF-8");
  mkdirSync(raw(0x64, 0xe9, 0x70));
  writeFileSync(Buffer.concat([raw(0x64, 0xe9, 0x70), Buffer.from("/inside \xc3")]), "below one");
  symlinkSync(Buffer.from([0x74, 0xff, 0x6f]), raw(0x6c, 0xfe));
  for (const name of [
    "new\nline",
    'quote " and \\ back',
    "tab\tand \u2028 line",
    "<&> html",
    "ünïcödé ☃ 𝄞",
    " ",
    "-r",
    "*",
    "\x7f\x01",
  ]) {
    writeFileSync(at(name), name);
  }
  writeFileSync(at("n".repeat(255)), "255 bytes of name");
  mkdirSync(at("empty directory"));
  writeFileSync(at("empty file"), "");
  writeFileSync(at("content"), noise("odd", 2_000_000));
  mkdirSync(at("folder"));
  linkSync(at("content"), at("folder", "hard link"));
  linkSync(at("content"), at("zz last link"));
  symlinkSync("../content", at("folder", "link"));
  symlinkSync("/no/such/place", at("dangling"));
  symlinkSync("t".repeat(4000), at("long target"));
  makeSpecialFiles(at);
  makeRights(at);
  makeSparseFile(at("sparse"), 40 * 1024 * 1024, [0, 7_000_000, 33_333_333]);
  writeFileSync(at("zeros without holes"), Buffer.alloc(3 * 1024 * 1024));
  makeTimes(at);
}

function makeSpecialFiles(at: (...names: string[]) => string): void {
  shell("mkfifo", at("fifo"));
  shell("mknod", at("character device"), "c", "1", "3");
  shell("mknod", at("block device"), "b", "7", "200");
  shell("mknod", at("large numbers"), "c", "511", "300000");
}

function makeRights(at: (...names: string[]) => string): void {
  const file = (name: string, mode: number, uid = 0, gid = 0): void => {
    writeFileSync(at(name), `mode ${mode.toString(8)}`);
    chownSync(at(name), uid, gid); // before the mode: it takes set-id bits away
    chmodSync(at(name), mode);
  };
  file("setuid", 0o4755);
  file("setgid of a user", 0o2711, 1234, 4321);
  file("no rights", 0o000, 65534, 65534);
  file("read only", 0o444);
  file("huge owner", 0o640, 4_000_000_000, 3_999_999_999);
  mkdirSync(at("sticky"));
  chmodSync(at("sticky"), 0o1777);
  mkdirSync(at("read only folder"));
  writeFileSync(at("read only folder", "inside"), "inside");
  chmodSync(at("read only folder"), 0o555);
  file("attributes", 0o644);
  shell("setfattr", "--name=user.plain", "--value=some value", at("attributes"));
  shell("setfattr", "--name=user.binary", "--value=0x00ff0a0080", at("attributes"));
  shell("setfattr", "--name=user.empty", at("attributes"));
  shell("setfattr", "--name=trusted.holdfast", "--value=for root", at("attributes"));
  shell("setfattr", "--name=user.on-folder", "--value=1", at("sticky"));
  shell("setfattr", "--no-dereference", "--name=trusted.on-link", "--value=1", at("dangling"));
  file("acl", 0o640);
  shell("setfacl", "--modify=u:1234:rw,g:4321:r,m::rw", at("acl"));
  mkdirSync(at("default acl"));
  shell("setfacl", "--default", "--modify=u:1234:rwx,g::rx,o::-", at("default acl"));
  // cap_net_bind_service, effective and permitted, as the kernel keeps it.
  const capability = "--value=0x0100000200040000000000000000000000000000";
  shell("setfattr", "--name=security.capability", capability, at("setuid"));
}

/** Deepest first: writing into a folder changes its time. */
function makeTimes(at: (...names: string[]) => string): void {
  shell("touch", "--no-dereference", "--date=1969-07-20T20:17:40.123456789Z", at("dangling"));
  shell("touch", "--date=2033-05-18T03:33:20.999999999Z", at("content"));
  shell("touch", "--date=2001-09-09T01:46:40.000000001Z", at("folder"));
  shell("touch", "--date=1969-12-31T23:59:59.999999999Z", at("acl"));
  shell("touch", "--date=2222-02-22T22:22:22.222222222Z", at("empty directory"));
  utimesSync(at("empty file"), 0, 0);
  lutimesSync(at("folder", "link"), 1, 1_000_000_000);
}

/** A file of holes with a few bytes at each of the offsets. */
export function makeSparseFile(file: string, sizeBytes: number, offsets: readonly number[]): void {
  const descriptor = openSync(file, "w");
  try {
    ftruncateSync(descriptor, sizeBytes);
    for (const offset of offsets) writeSync(descriptor, `data at ${offset}`, offset);
  } finally {
    closeSync(descriptor);
  }
}

function shell(program: string, ...words: string[]): void {
  expectStatus(run(program, words), 0);
}
