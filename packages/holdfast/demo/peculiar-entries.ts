// Makes what a file system can hold and simple backups lose: odd names, links, holes, attributes, times.

import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { currentDirectory, type SystemCalls } from "@holdfast/repository";
import { bytesOf, rawPath, type RawPath } from "../filesystem/raw-path.ts";
import { Xattrs } from "./xattrs.ts";

export interface Peculiarities {
  /** In words for people. */
  readonly made: readonly string[];
  /** What this file system or the rights of this process do not allow. */
  readonly notPossible: readonly string[];
}

const sparseBytes = 2 * 1024 * 1024;
const fifoType = 0o010000;

/** Names that go wrong in scripts. Raw bytes. */
const oddNames: readonly RawPath[] = [
  "not UTF-8: \xff\xfe\x80",
  "two\nlines",
  " spaces at both ends ",
  "-rf",
  "*",
  "a\\b'c\"d$HOME`id`",
  "escape \x1b[31m and \x07 bell",
  rawPath("grüße 你好 🙂"),
  rawPath("e\u0301 is not \u00e9"),
  "long ".repeat(51),
];

/** `directory` must not be there yet. */
export function makePeculiarEntries(directory: RawPath, calls: SystemCalls): Peculiarities {
  const maker = new Maker(directory, calls);
  maker.names();
  maker.links();
  maker.sparse();
  maker.times();
  maker.modes();
  maker.attributes();
  maker.pipe();
  return { made: maker.made, notPossible: maker.notPossible };
}

class Maker {
  readonly made: string[] = [];
  readonly notPossible: string[] = [];
  readonly #directory: RawPath;
  readonly #calls: SystemCalls;
  readonly #xattrs: Xattrs;

  constructor(directory: RawPath, calls: SystemCalls) {
    this.#directory = directory;
    this.#calls = calls;
    this.#xattrs = new Xattrs(calls);
    mkdirSync(bytesOf(directory));
  }

  names(): void {
    const refused = oddNames.filter((name) => !this.#tryName(name));
    this.#note(refused.length === 0, refused.length === 0 ? "odd names" : `${refused.length} of the odd names`);
    this.#write("empty", "");
    mkdirSync(bytesOf(this.#at("empty directory")));
    const deep = Array.from({ length: 40 }, (_, level) => `level ${level}`).join("/");
    mkdirSync(bytesOf(this.#at(deep)), { recursive: true });
    this.#write(`${deep}/bottom`, "deep down\n");
  }

  links(): void {
    const content = this.#write("one of three names", "one content, three names\n");
    linkSync(bytesOf(content), bytesOf(this.#at("another of three names")));
    linkSync(bytesOf(content), bytesOf(this.#at("empty directory", "..", "level 0", "the third name")));
    symlinkSync("nowhere at all", bytesOf(this.#at("dangling link")));
    symlinkSync(bytesOf("not UTF-8: \xff"), bytesOf(this.#at("link to a name that is not UTF-8")));
    this.made.push("hard and dangling links");
  }

  sparse(): void {
    const descriptor = openSync(bytesOf(this.#at("sparse")), "w", 0o644);
    try {
      writeSync(descriptor, "data at the beginning");
      ftruncateSync(descriptor, sparseBytes);
      writeSync(descriptor, "data at the end", sparseBytes - 100);
    } finally {
      closeSync(descriptor);
    }
    this.made.push(`a sparse file of ${sparseBytes / 1024 ** 2} MiB`);
  }

  times(): void {
    const times = {
      "to the nanosecond": 1_600_000_000_123_456_789n,
      "before 1970": -86_400_000_000_001n,
      "in 2100": 4_102_444_800_000_000_001n,
    };
    for (const [name, mtimeNs] of Object.entries(times)) {
      const path = this.#write(name, `modified ${name}\n`);
      this.#calls.utimensat(currentDirectory, bytesOf(path), mtimeNs, mtimeNs);
    }
    this.made.push("times to the nanosecond");
  }

  modes(): void {
    chmodSync(bytesOf(this.#write("read only", "look, do not touch\n")), 0o444);
    chmodSync(bytesOf(this.#write("setuid", "runs as its owner\n")), 0o4755);
    const sticky = this.#at("sticky directory");
    mkdirSync(bytesOf(sticky));
    chmodSync(bytesOf(sticky), 0o1777);
    if (process.getuid?.() !== 0) return void this.notPossible.push("other owners (only root may give files away)");
    chmodSync(bytesOf(this.#write("mode 0000", "nobody but root\n")), 0);
    chownSync(bytesOf(this.#write("of somebody else", "not mine\n")), 12345, 54321);
    this.made.push("other owners");
  }

  attributes(): void {
    const path = this.#write("with attributes", "more than content\n");
    const plain = this.#xattrs.set(path, "user.holdfast", Buffer.from([0, 1, 2, 0xff]));
    this.#xattrs.set(path, "user.empty", Buffer.alloc(0));
    this.#note(plain, "extended attributes");
    const listed = this.#write("with an access control list", "more than three classes\n");
    this.#note(this.#xattrs.set(listed, "system.posix_acl_access", accessControlList()), "access control lists");
  }

  pipe(): void {
    const made = this.#calls.mknodat(currentDirectory, bytesOf(this.#at("pipe")), fifoType | 0o640, 0n) >= 0;
    this.#note(made, "a named pipe");
  }

  /** Some file systems take only UTF-8. */
  #tryName(name: RawPath): boolean {
    try {
      this.#write(name, `I am called ${name}\n`);
      return true;
    } catch {
      return false;
    }
  }

  #note(possible: boolean, what: string): void {
    (possible ? this.made : this.notPossible).push(what);
  }

  #at(...names: RawPath[]): RawPath {
    return [this.#directory, ...names].join("/");
  }

  #write(name: RawPath, content: string): RawPath {
    const path = this.#at(name);
    writeFileSync(bytesOf(path), content, { encoding: "latin1", mode: 0o644 });
    return path;
  }
}

/** user::rw-, user:1234:r--, group::r--, mask::r--, other::---, as Linux keeps it (linux/posix_acl_xattr.h). */
function accessControlList(): Buffer {
  const noId = 0xffffffff;
  const entries = [
    [0x01, 6, noId],
    [0x02, 4, 1234],
    [0x04, 4, noId],
    [0x10, 4, noId],
    [0x20, 0, noId],
  ] as const;
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2);
  entries.forEach(([tag, permissions, id], index) => {
    const at = 4 + 8 * index;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  });
  return bytes;
}
