// Makes the directory that the golden tests back up: all that is hard to write down in a tree.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

function under(directory: Buffer, name: Buffer | string): Buffer {
  return Buffer.concat([directory, Buffer.from("/"), Buffer.from(name)]);
}

/** Names that hold every character, except most of those where long runs are all alike; see go-printable.ts. */
function makeNamesOfAllCharacters(directory: Buffer): void {
  mkdirSync(directory);
  let name = "";
  const step = (codePoint: number): number =>
    codePoint < 0x34000 || (codePoint >= 0xe0000 && codePoint < 0xe0200) ? 1 : 256;
  for (let codePoint = 0x80; codePoint <= 0x10ffff; codePoint += step(codePoint)) {
    if (codePoint >= 0xd800 && codePoint <= 0xdfff) {
      continue;
    }
    name += String.fromCodePoint(codePoint);
    if (Buffer.byteLength(name) > 250 - 4) {
      writeFileSync(under(directory, name), "");
      name = "";
    }
  }
}

export const nastyNames: readonly (Buffer | string)[] = [
  Buffer.from([0xff, 0xfe, 0x41]),
  Buffer.from([0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2, 0x82]),
  "new\nline",
  'quo"te',
  "back\\slash",
  "tab\t\v\f\b\u0007\r\u001b\u007f",
  "<&>",
  "\u2028\u2029",
  "\u00ad\u00a0\ufeff\ufffd",
  "emoji 👩‍👩‍👧 é e\u0301",
  "x".repeat(255),
  "ü".repeat(127),
  " ",
  "...",
  "-",
  "'",
  "`$(x)",
  "\\x41",
  'a,"b":[{}]}',
];

function setXattr(path: string, name: Buffer, value: Buffer): void {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const lsetxattr = koffi.load(null).func("lsetxattr", "int", ["void *", "void *", "void *", "size_t", "int"]);
  const terminated = (text: Buffer): Buffer => Buffer.concat([text, Buffer.alloc(1)]);
  const result = lsetxattr(terminated(Buffer.from(path)), terminated(name), value, value.length, 0) as number;
  assert.equal(result, 0, `${path} cannot have extended attributes: choose another TMPDIR`);
}

function touch(path: string, time: string): void {
  execFileSync("touch", ["-h", "-d", time, path]);
}

/** Makes a directory of everything that is hard to write down in a tree. */
export function makeSource(directory: string): void {
  mkdirSync(directory);
  for (const name of nastyNames) {
    writeFileSync(under(Buffer.from(directory), name), `content of ${name.toString()}`);
  }
  mkdirSync(join(directory, "empty directory"));
  mkdirSync(join(directory, "sticky"));
  chmodSync(join(directory, "sticky"), 0o1777);
  for (const [name, mode] of [
    ["setuid", 0o4755],
    ["setgid", 0o2750],
    ["no rights", 0o000],
  ] as const) {
    writeFileSync(join(directory, name), name);
    chmodSync(join(directory, name), mode);
  }
  writeFileSync(join(directory, "empty"), "");
  writeFileSync(join(directory, "large"), Buffer.alloc(5_000_000, "large file in several pieces "));
  symlinkSync("empty", join(directory, "link"));
  symlinkSync('a <b> & \u2028 "quoted" \\ \t 👍', join(directory, "link with odd target"));
  execFileSync("mkfifo", [join(directory, "fifo")]);
  writeFileSync(join(directory, "attributes"), "");
  setXattr(join(directory, "attributes"), Buffer.from("user.empty"), Buffer.alloc(0));
  setXattr(join(directory, "attributes"), Buffer.from('user.<odd>&"é'), Buffer.from([0, 255, 10]));
  const times = [
    "1965-03-04 05:06:07.000000001",
    "1969-12-31 20:29:59.999999999",
    "1936-01-01 00:00:00.5",
    "2024-11-03 00:00:30.120000000",
    "2024-03-10 03:00:00",
    "@0",
    "2100-07-01 12:00:00.123456789",
    "@-1.000000001",
    "2011-11-06 00:01:00.1",
  ];
  for (const [index, time] of times.entries()) {
    writeFileSync(join(directory, `time ${index}`), "");
    touch(join(directory, `time ${index}`), time);
  }
}

/** Adds what restic 0.14 writes otherwise: Go 1.19 knows fewer characters, writes \b as \u0008, and loses such targets. */
export function addNewerRarities(directory: string): void {
  symlinkSync(Buffer.from([0x41, 0xff, 0xe2, 0x82, 0x42]), join(directory, "link to no text"));
  symlinkSync("\b\f", join(directory, "link with control characters"));
  makeNamesOfAllCharacters(Buffer.from(join(directory, "characters")));
}

export function removeNewerRarities(directory: string): void {
  for (const name of ["link to no text", "link with control characters", "characters"]) {
    rmSync(join(directory, name), { recursive: true, force: true });
  }
}
