// Tests of creating below an open directory: what is made, and what an attacker cannot achieve. They run as root.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { HoldfastError, hasCode } from "../errors.ts";
import { DirectoryHandle } from "./create.ts";
import { openLibc } from "./libc.ts";
import type { NativeLoader } from "./libc.ts";
import { makeDevice } from "./status-area.ts";

const { O_RDWR, S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK } = fs.constants;
const name = (text: string): Buffer => Buffer.from(text);

let root = "";
before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-create-"));
  fs.chmodSync(root, 0o755);
});
after(() => fs.rmSync(root, { recursive: true, force: true }));

const libc = openLibc();
const reduced = openLibc(() => {
  throw new Error("not installed");
});

/** A new directory of its own for each test. */
function workplace(calls = libc): { handle: DirectoryHandle; place: (...parts: string[]) => string } {
  const directory = fs.mkdtempSync(path.join(root, "t-"));
  fs.chmodSync(directory, 0o755);
  return {
    handle: DirectoryHandle.open(calls, Buffer.from(directory)),
    place: (...parts) => path.join(directory, ...parts),
  };
}

for (const { title, calls } of [
  { title: "through libc", calls: libc },
  { title: "through node:fs", calls: reduced },
]) {
  describe(`creating ${title}`, () => {
    test("files, directories, links, hard links, and their removal", () => {
      const { handle, place } = workplace(calls);
      using top = handle;
      using sub = top.openDirectory(name("sub"), { create: true });
      assert.equal(fs.statSync(place("sub")).mode & 0o7777, 0o700);
      using again = top.openDirectory(name("sub"), { create: true });
      assert.equal(again.ownStatus().inode, sub.ownStatus().inode);
      {
        using file = sub.createFile(name("file"));
        fs.writeSync(file.fd, "content");
        file.setOwner(12, 34);
        file.setMode(0o100640 | 0o4000);
        file.sync();
        assert.deepEqual(file.path, Buffer.from(place("sub/file")));
      }
      const status = fs.statSync(place("sub/file"));
      assert.deepEqual([status.mode, status.uid, status.gid], [S_IFREG | 0o4640, 12, 34]);
      assert.equal(fs.readFileSync(place("sub/file"), "utf8"), "content");

      top.createSymlink(name("link"), Buffer.from([0x2f, 0xff, 0x20]));
      assert.deepEqual(top.readLink(name("link")), Buffer.from([0x2f, 0xff, 0x20]));
      top.createHardLink(name("second"), sub, name("file"));
      top.createHardLink(name("second-link"), top, name("link"));
      assert.equal(sub.status(name("file"))?.links, 2);
      assert.equal(top.status(name("second"))?.inode, sub.status(name("file"))?.inode);
      assert.equal(fs.lstatSync(place("second-link")).isSymbolicLink(), true);
      assert.deepEqual(top.list().map(String).sort(), ["link", "second", "second-link", "sub"]);

      top.rename(name("second"), sub, name("moved"));
      assert.equal(top.status(name("second")), null);
      top.setOwnerOf(name("link"), 56, 78);
      assert.deepEqual([fs.lstatSync(place("link")).uid, fs.lstatSync(place("link")).gid], [56, 78]);
      sub.setModeOf(name("moved"), 0o604);
      assert.equal(fs.statSync(place("sub/file")).mode & 0o7777, 0o604);
      {
        using opened = sub.openFile(name("moved"), O_RDWR);
        assert.equal(fs.readFileSync(opened.fd, "utf8"), "content");
      }
      for (const each of ["file", "moved"]) {
        sub.remove(name(each));
      }
      top.removeDirectory(name("sub"));
      assert.deepEqual(top.list().map(String).sort(), ["link", "second-link"]);
    });

    test("a new name is given only where nothing has it, not even a dangling link", async () => {
      const { handle, place } = workplace(calls);
      using top = handle;
      using sub = top.openDirectory(name("sub"), { create: true });
      for (const each of ["file", "taken"]) fs.writeFileSync(place(each), each);
      fs.symlinkSync("nowhere", place("sub/dangling"));
      fs.mkdirSync(place("sub/empty"));
      fs.mkdirSync(place("directory"));
      for (const [from, to, toName] of [
        ["file", top, "taken"],
        ["file", sub, "dangling"],
        ["directory", sub, "empty"],
      ] as const)
        assert.throws(
          () => top.renameNew(name(from), to, name(toName)),
          (error) => hasCode(error, "target") && error.context["errno"] === "EEXIST",
        );
      top.renameNew(name("file"), sub, name("new"));
      top.renameNew(name("directory"), sub, name("new directory"));
      await sub.syncFileSystem();
      assert.equal(fs.readFileSync(place("sub/new"), "utf8"), "file");
      assert.deepEqual(fs.readdirSync(place()).sort(), ["sub", "taken"]);
    });

    test("a directory that was opened again is the same, even under another name", () => {
      const { handle, place } = workplace(calls);
      using top = handle;
      using sub = top.openDirectory(name("sub"), { create: true });
      fs.renameSync(place("sub"), place("elsewhere"));
      fs.symlinkSync("/", place("sub"));
      using again = sub.reopen();
      assert.equal(again.ownStatus().inode, fs.statSync(place("elsewhere"), { bigint: true }).ino);
    });

    test("names that could lead out are hostile, in every place a name is taken", () => {
      const { handle } = workplace(calls);
      using top = handle;
      const good = name("good");
      for (const bad of ["", ".", "..", "/", "a/b", "../x", "a\0b", "\0"].map(name)) {
        const takers: (() => unknown)[] = [
          () => top.openDirectory(bad, { create: true }),
          () => top.createFile(bad),
          () => top.openFile(bad, O_RDWR),
          () => top.createSymlink(bad, good),
          () => top.createHardLink(bad, top, good),
          () => top.createHardLink(good, top, bad),
          () => top.createNode(bad, S_IFIFO | 0o600, 0n),
          () => top.remove(bad),
          () => top.removeDirectory(bad),
          () => top.rename(bad, top, good),
          () => top.rename(good, top, bad),
          () => top.renameNew(bad, top, good),
          () => top.renameNew(good, top, bad),
          () => top.setOwnerOf(bad, 0, 0),
          () => top.setModeOf(bad, 0),
          () => top.setTimesOf(bad, 0n, 0n),
          () => top.setXattrsOf(bad, []),
          () => top.status(bad),
          () => top.readLink(bad),
        ];
        for (const take of takers) {
          assert.throws(
            take,
            (error) => hasCode(error, "hostile"),
            `${JSON.stringify(bad.toString())} ${String(take)}`,
          );
        }
      }
      assert.throws(
        () => top.createSymlink(good, name("a\0b")),
        (error) => hasCode(error, "hostile"),
      );
      assert.deepEqual(top.list(), []);
    });

    test("names of every byte, and of 255 bytes", () => {
      const { handle } = workplace(calls);
      using top = handle;
      const names = [Buffer.alloc(255, 0xfe)];
      for (let byte = 1; byte < 256; byte++) {
        if (byte !== 0x2e && byte !== 0x2f) {
          names.push(Buffer.from([byte]));
        }
      }
      for (const each of names) {
        top.createFile(each).close();
      }
      assert.deepEqual(top.list().sort(Buffer.compare), names.sort(Buffer.compare));
      assert.throws(
        () => top.createFile(Buffer.alloc(256, 0x61)),
        (error) => hasCode(error, "target") && error.context["errno"] === "ENAMETOOLONG",
      );
    });

    test("a directory swapped for a link during the restore is not followed", () => {
      const { handle, place } = workplace(calls);
      using top = handle;
      fs.mkdirSync(place("victim"));
      fs.writeFileSync(place("victim/secret"), "untouched", { mode: 0o600 });
      const before = fs.lstatSync(place("victim/secret"), { bigint: true });
      {
        using held = top.openDirectory(name("data"), { create: true });
        // The attacker moves the directory away and puts a link to the victim in its place.
        fs.renameSync(place("data"), place("moved"));
        fs.symlinkSync(place("victim"), place("data"));
        using file = held.createFile(name("written"));
        fs.writeSync(file.fd, "x");
        held.createSymlink(name("secret"), name("elsewhere"));
        held.setTimesOf(name("secret"), 0n, 0n);
        held.setOwnerOf(name("secret"), 1, 1);
        held.openDirectory(name("inner"), { create: true }).close();
        assert.deepEqual(held.list().map(String).sort(), ["inner", "secret", "written"]);
        held.remove(name("secret"));
      }
      assert.throws(
        () => top.openDirectory(name("data"), { create: true }),
        (error) =>
          hasCode(error, "target") && error.context["errno"] === "ENOTDIR" && error.message.includes(place("data")),
      );
      assert.throws(
        () => top.createFile(name("data")),
        (error) => hasCode(error, "target") && error.context["errno"] === "EEXIST",
      );
      assert.deepEqual(fs.readdirSync(place("victim")), ["secret"]);
      assert.deepEqual(fs.lstatSync(place("victim/secret"), { bigint: true }).ctimeNs, before.ctimeNs);
      assert.deepEqual(fs.readdirSync(place("moved")).sort(), ["inner", "written"]);
    });

    test("a file swapped for a link is neither opened nor changed through it", () => {
      const { handle, place } = workplace(calls);
      using top = handle;
      fs.writeFileSync(place("victim"), "untouched");
      fs.chmodSync(place("victim"), 0o600);
      const before = fs.lstatSync(place("victim"), { bigint: true });
      fs.symlinkSync("victim", place("file"));
      fs.symlinkSync("not-there", place("dangling"));
      assert.throws(
        () => top.openFile(name("file"), O_RDWR),
        (error) => hasCode(error, "target") && error.context["errno"] === "ELOOP",
      );
      assert.throws(
        () => top.createFile(name("dangling")),
        (error) => hasCode(error, "target") && error.context["errno"] === "EEXIST",
      );
      assert.throws(
        () => top.setModeOf(name("file"), 0o777),
        (error) => hasCode(error, "target") && error.context["errno"] === "ENOTSUP",
      );
      top.setOwnerOf(name("file"), 99, 99);
      top.setTimesOf(name("file"), 5_000_000_000n, 6_000_000_000n);
      assert.equal(fs.lstatSync(place("file"), { bigint: true }).mtimeNs, 6_000_000_000n);
      assert.deepEqual(fs.lstatSync(place("victim"), { bigint: true }).ctimeNs, before.ctimeNs);
      assert.equal(fs.existsSync(place("not-there")), false);
    });

    test("a pipe in the place of a file neither blocks nor is taken for one", () => {
      const { handle, place } = workplace(calls);
      using top = handle;
      execFileSync("mkfifo", [place("pipe")]);
      assert.throws(
        () => top.openFile(name("pipe"), O_RDWR),
        (error) => hasCode(error, "target") && /regular/.test(error.message),
      );
    });
  });
}

test("times are exact to the nanosecond, before 1970 too, for files, directories, links and descriptors", () => {
  const { handle, place } = workplace();
  using top = handle;
  top.createFile(name("file")).close();
  top.createSymlink(name("link"), name("file"));
  top.openDirectory(name("directory"), { create: true }).close();
  const entries = ["file", "link", "directory"];
  // ext4 with 256-byte inodes holds times from 1901 to 2446.
  const time = fc.bigInt({ min: -2_100_000_000_000_000_000n, max: 15_000_000_000_000_000_000n });
  fc.assert(
    fc.property(fc.constantFrom(...entries), time, time, (entry, atimeNs, mtimeNs) => {
      top.setTimesOf(name(entry), atimeNs, mtimeNs);
      const found = fs.lstatSync(place(entry), { bigint: true });
      assert.deepEqual([found.atimeNs, found.mtimeNs], [atimeNs, mtimeNs]);
      const status = top.status(name(entry));
      assert.deepEqual([status?.atimeNs, status?.mtimeNs], [atimeNs, mtimeNs]);
    }),
    {
      examples: [
        ["link", -1n, -1_000_000_001n],
        ["file", 1_700_000_000_123_456_789n, 1n],
      ],
    },
  );
  using file = top.openFile(name("file"), O_RDWR);
  file.setTimes(-1n, 1_700_000_000_123_456_789n);
  assert.equal(fs.statSync(place("file"), { bigint: true }).mtimeNs, 1_700_000_000_123_456_789n);
  assert.equal(file.ownStatus().atimeNs, -1n);
  top.setTimes(1n, -2n);
  assert.equal(top.ownStatus().mtimeNs, -2n);
});

test("without libc times keep at least the microsecond", () => {
  const { handle } = workplace(reduced);
  using top = handle;
  top.createFile(name("file")).close();
  for (const timeNs of [1_700_000_000_123_456_789n, -1_500_000_000n, 0n]) {
    top.setTimesOf(name("file"), timeNs, timeNs);
    const { atimeNs, mtimeNs } = top.status(name("file"))!;
    for (const found of [atimeNs, mtimeNs]) {
      assert.ok(found - timeNs > -1_000n && found - timeNs < 1_000n, `${timeNs} became ${found}`);
    }
  }
});

/** The real libc without some of its symbols, as an older version would be. */
function libcWithout(...symbols: string[]): NativeLoader {
  const koffi = process.getBuiltinModule("node:module").createRequire(import.meta.url)("koffi") as NativeLoader;
  return {
    errno: () => koffi.errno(),
    load: (library) => {
      const real = koffi.load(library);
      return {
        func: (definition) => {
          if (symbols.some((symbol) => definition.includes(` ${symbol}(`))) {
            throw new Error("Cannot find function");
          }
          return real.func(definition);
        },
      };
    },
  };
}

for (const { title, calls } of [
  { title: "mknodat", calls: libc },
  { title: "the entry of older C libraries", calls: openLibc(() => libcWithout("mknodat")) },
]) {
  test(`devices, pipes and sockets through ${title}`, () => {
    const { handle, place } = workplace(calls);
    using top = handle;
    const device = makeDevice(300, 70_000);
    const nodes = [
      { entry: "character", mode: S_IFCHR | 0o620, device: makeDevice(1, 3) },
      { entry: "block", mode: S_IFBLK | 0o660, device },
      { entry: "pipe", mode: S_IFIFO | 0o644, device: 0n },
      { entry: "socket", mode: S_IFSOCK | 0o600, device: 0n },
    ];
    for (const node of nodes) {
      top.createNode(name(node.entry), node.mode, node.device);
      top.setModeOf(name(node.entry), node.mode);
      top.setOwnerOf(name(node.entry), 3, 4);
      const found = fs.lstatSync(place(node.entry), { bigint: true });
      assert.deepEqual([found.mode, found.rdev, found.uid], [BigInt(node.mode), node.device, 3n], node.entry);
      assert.equal(top.status(name(node.entry))?.rdev, node.device);
    }
    assert.deepEqual(
      execFileSync("stat", ["--format=%t %T", place("block")], { encoding: "utf8" }).trim(),
      `${(300).toString(16)} ${(70_000).toString(16)}`,
    );
    assert.throws(
      () => top.createNode(name("x"), S_IFREG | 0o600, 0n),
      (error) => hasCode(error, "internal"),
    );
  });
}

test("a C library that lacks single symbols loses only those", () => {
  const calls = openLibc(() => libcWithout("statx", "mknodat", "__xmknodat", "fallocate"));
  assert.deepEqual(calls.missing, ["creating devices and named pipes", "reserving space and punching holes"]);
  const { handle } = workplace(calls);
  using top = handle;
  top.createFile(name("file")).close();
  top.setTimesOf(name("file"), 1n, 1_700_000_000_123_456_789n);
  assert.equal(top.status(name("file"))?.mtimeNs, 1_700_000_000_123_456_789n);
});

test("without libc a device is 'unsupported' and the hint says what to install", () => {
  const { handle } = workplace(reduced);
  using top = handle;
  assert.throws(
    () => top.createNode(name("pipe"), S_IFIFO | 0o600, 0n),
    (error) => hasCode(error, "unsupported") && /koffi/.test(error.hint) && error.message.includes("/pipe"),
  );
});

test("attributes by name reach the entry itself, also when it is a link, and by descriptor", () => {
  const { handle, place } = workplace();
  using top = handle;
  using file = top.createFile(name("file"));
  top.createSymlink(name("link"), name("file"));
  file.setXattrs([{ name: "user.a", value: Buffer.from("1") }]);
  top.setXattrsOf(name("link"), [{ name: "trusted.b", value: Buffer.from("2") }]);
  top.setXattrs([{ name: "user.c", value: Buffer.from("3") }]);
  const shown = (entry: string): string =>
    execFileSync("getfattr", ["-h", "-m", "-", "--only-values", "-d", "--absolute-names", place(entry)], {
      encoding: "utf8",
    });
  assert.deepEqual([shown("file"), shown("link"), shown(".")], ["1", "2", "3"]);
  for (const [entry, wanted] of [
    ["link", "user.not-for-links"],
    ["absent", "user.a"],
  ] as const) {
    assert.throws(
      () => top.setXattrsOf(name(entry), [{ name: wanted, value: Buffer.alloc(1) }]),
      (error) => error instanceof HoldfastError && error.context["path"] === place(entry),
    );
  }
});

test("a full file system is 'no-space' with the full path", () => {
  const { handle, place } = workplace();
  using top = handle;
  fs.mkdirSync(place("small"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,nr_inodes=3", "holdfast-test", place("small")]);
  try {
    using small = top.openDirectory(name("small"));
    small.createFile(name("one")).close();
    small.createFile(name("two")).close();
    for (const make of [
      () => small.createFile(name("three")),
      () => small.openDirectory(name("three"), { create: true }),
    ]) {
      assert.throws(make, (error) => hasCode(error, "no-space") && error.message.includes(place("small/three")));
    }
  } finally {
    execFileSync("umount", [place("small")]);
  }
});

test("an ordinary user gets 'permission' with the full path, and can do the rest", () => {
  const { handle, place } = workplace();
  handle.close();
  fs.mkdirSync(place("mine"));
  fs.chownSync(place("mine"), 65534, 65534);
  fs.mkdirSync(place("theirs"), { mode: 0o755 });
  const code = `
    const { openLibc } = await import(${JSON.stringify(import.meta.resolve("./libc.ts"))});
    const { DirectoryHandle } = await import(${JSON.stringify(import.meta.resolve("./create.ts"))});
    const top = DirectoryHandle.open(openLibc(), Buffer.from(${JSON.stringify(place())}));
    const results = [];
    const attempt = (call) => { try { call(); results.push("done"); } catch (error) { results.push(error.code + " " + error.context.path); } };
    const theirs = top.openDirectory(Buffer.from("theirs"));
    const mine = top.openDirectory(Buffer.from("mine"));
    const name = Buffer.from("file");
    attempt(() => theirs.createFile(name));
    attempt(() => theirs.setMode(0o777));
    attempt(() => mine.createFile(name).setTimes(1n, 2n));
    attempt(() => mine.setOwnerOf(name, 0, 0));
    attempt(() => mine.setModeOf(name, 0o400));
    attempt(() => mine.createNode(Buffer.from("null"), ${S_IFCHR | 0o666}, 259n));
    attempt(() => mine.createNode(Buffer.from("pipe"), ${S_IFIFO | 0o600}, 0n));
    console.log(JSON.stringify(results));`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    uid: 65534,
    gid: 65534,
    cwd: "/",
    encoding: "utf8",
  });
  assert.equal(child.stderr, "");
  assert.deepEqual(JSON.parse(child.stdout), [
    `permission ${place("theirs/file")}`,
    `permission ${place("theirs")}`,
    "done",
    `permission ${place("mine/file")}`,
    "done",
    `permission ${place("mine/null")}`,
    "done",
  ]);
  assert.equal(fs.statSync(place("mine/file")).mode & 0o7777, 0o400);
});

test("closing twice is harmless, and a directory that is not there is named", () => {
  const { handle, place } = workplace();
  handle.close();
  handle.close();
  assert.throws(
    () => DirectoryHandle.open(libc, Buffer.from(place("absent"))),
    (error) =>
      hasCode(error, "target") && error.message.includes(place("absent")) && error.context["errno"] === "ENOENT",
  );
});

test("descriptors are closed on exec and none is left open", () => {
  const openNow = (): number => fs.readdirSync("/proc/self/fd").length;
  const count = openNow();
  {
    const { handle, place } = workplace();
    using top = handle;
    using file = top.createFile(name("file"));
    const flags = /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${file.fd}`, "utf8"))?.[1] ?? "";
    assert.equal(Number.parseInt(flags, 8) & 0o2000000, 0o2000000);
    top.setModeOf(name("file"), 0o600);
    fs.symlinkSync("x", place("link"));
    assert.throws(() => top.setModeOf(name("link"), 0o600));
    execFileSync("mkfifo", [place("pipe")]);
    assert.throws(() => top.openFile(name("pipe"), O_RDWR));
  }
  assert.equal(openNow(), count);
});
