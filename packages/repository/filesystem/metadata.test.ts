// Tests of reading metadata against what the operating system's own tools and node:fs say.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { openLibc } from "./libc.ts";
import { MetadataReader } from "./metadata.ts";
import { makeDevice, splitDevice, splitTime, StatusArea } from "./status-area.ts";

let root = "";
before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-metadata-"));
});
after(() => fs.rmSync(root, { recursive: true, force: true }));

const place = (name: string): string => path.join(root, name);
const raw = (name: string): Buffer => Buffer.from(place(name));

const variants = [
  { title: "through libc", calls: openLibc() },
  {
    title: "through node:fs",
    calls: openLibc(() => {
      throw new Error("not installed");
    }),
  },
];

for (const { title, calls } of variants) {
  describe(`status ${title}`, () => {
    const reader = new MetadataReader(calls);

    test("every field equals what node:fs reads", () => {
      fs.writeFileSync(place("plain"), "twelve bytes", { mode: 0o640 });
      fs.chownSync(place("plain"), 1234, 4_000_000_000);
      fs.linkSync(place("plain"), place(`second-${title}`));
      fs.symlinkSync("nowhere", place(`link-${title}`));
      for (const name of [
        place("plain"),
        place(`link-${title}`),
        root,
        "/dev/null",
        "/dev/tty",
        "/proc",
        "/dev/vda",
        "/",
      ]) {
        if (!fs.existsSync(name) && !name.includes("link")) {
          continue;
        }
        const found = reader.lstat(Buffer.from(name));
        const expected = fs.lstatSync(name, { bigint: true });
        assert.deepEqual(
          { ...found },
          {
            mode: Number(expected.mode),
            uid: Number(expected.uid),
            gid: Number(expected.gid),
            links: Number(expected.nlink),
            inode: expected.ino,
            deviceId: expected.dev,
            rdev: expected.rdev,
            size: expected.size,
            atimeNs: expected.atimeNs,
            mtimeNs: expected.mtimeNs,
            ctimeNs: expected.ctimeNs,
          },
          name,
        );
      }
    });

    test("by directory descriptor and by descriptor it is the same", () => {
      fs.writeFileSync(place("same"), "x");
      const directory = fs.openSync(root, "r");
      const file = fs.openSync(place("same"), "r");
      const expected = reader.lstat(raw("same"));
      assert.deepEqual(reader.lstatAt(directory, Buffer.from("same")), expected);
      assert.deepEqual(reader.fstat(file), expected);
      fs.closeSync(directory);
      fs.closeSync(file);
    });

    test("a missing file is an error of the source with path and errno", () => {
      assert.throws(
        () => reader.lstat(raw("absent\n")),
        (error) =>
          hasCode(error, "source") && error.context["errno"] === "ENOENT" && error.message.includes("absent\\x0a"),
      );
    });

    test("a zero byte in a name is refused, not taken for its end", () => {
      fs.writeFileSync(place("zero"), "");
      assert.throws(
        () => reader.lstat(raw("zero\0tail")),
        (error) => hasCode(error, "source") && error.context["errno"] === "EINVAL",
      );
    });

    test("a path longer than the system allows is refused", () => {
      assert.throws(
        () => reader.lstat(Buffer.alloc(5000, "a")),
        (error) => hasCode(error, "source") && error.context["errno"] === "ENAMETOOLONG",
      );
    });
  });
}

test("names of every byte are listed, read and found again", () => {
  const reader = new MetadataReader(openLibc());
  const folder = Buffer.concat([raw("bytes"), Buffer.from("/")]);
  fs.mkdirSync(folder);
  const names: Buffer[] = [Buffer.alloc(255, 0xff)];
  for (let byte = 1; byte < 256; byte++) {
    if (byte !== 0x2f) {
      names.push(Buffer.from([0x61, byte, 0x62]));
    }
  }
  for (const name of names) {
    fs.writeFileSync(Buffer.concat([folder, name]), "");
    fs.symlinkSync(name, Buffer.concat([folder, Buffer.from("L"), name.subarray(0, 254)]));
  }
  const listed = reader.readdir(folder).sort(Buffer.compare);
  const links = names.map((name) => Buffer.concat([Buffer.from("L"), name.subarray(0, 254)]));
  assert.deepEqual(listed, [...names, ...links].sort(Buffer.compare));
  for (const name of names) {
    assert.equal(reader.lstat(Buffer.concat([folder, name])).mode & 0o170000, 0o100000);
    const link = Buffer.concat([folder, Buffer.from("L"), name.subarray(0, 254)]);
    assert.deepEqual(reader.readlink(link), name);
  }
});

test("reading a directory or a link that is not there names the path", () => {
  const reader = new MetadataReader(openLibc());
  assert.throws(
    () => reader.readdir(raw("gone")),
    (error) => hasCode(error, "source") && /list .*gone.*ENOENT/.test(error.message),
  );
  assert.throws(
    () => reader.readlink(raw("gone")),
    (error) => hasCode(error, "source") && /link .*gone.*ENOENT/.test(error.message),
  );
});

describe("the buffer of statx", () => {
  test("numbers beyond 2^53, times before 1970 and large devices are exact", () => {
    const area = new StatusArea();
    area.bytes.writeUInt32LE(0xffff_fffe, 16); // links
    area.bytes.writeUInt32LE(4_294_967_294, 20);
    area.bytes.writeUInt32LE(3_000_000_000, 24);
    area.bytes.writeUInt16LE(0o106755, 28);
    area.bytes.writeUInt16LE(0xffff, 30); // padding that must not show
    area.bytes.writeBigUInt64LE(2n ** 64n - 3n, 32);
    area.bytes.writeBigUInt64LE(2n ** 63n - 1n, 40);
    area.bytes.writeBigInt64LE(-1n, 64); // atime
    area.bytes.writeUInt32LE(999_999_999, 72);
    area.bytes.writeBigInt64LE(253_402_300_799n, 96); // ctime, end of the year 9999
    area.bytes.writeUInt32LE(123_456_789, 104);
    area.bytes.writeBigInt64LE(-5_000_000_000n, 112); // mtime
    area.bytes.writeUInt32LE(1, 120);
    area.bytes.writeUInt32LE(0xfff, 128); // rdev
    area.bytes.writeUInt32LE(0xfffff, 132);
    area.bytes.writeUInt32LE(0x1234_5678, 136); // device
    area.bytes.writeUInt32LE(0x9abc_def0, 140);
    assert.deepEqual(area.decode(), {
      mode: 0o106755,
      uid: 4_294_967_294,
      gid: 3_000_000_000,
      links: 0xffff_fffe,
      inode: 2n ** 64n - 3n,
      deviceId: 0x1234_59ab_cde6_78f0n,
      rdev: 0xffff_ffffn,
      size: 2n ** 63n - 1n,
      atimeNs: -1n,
      ctimeNs: 253_402_300_799_123_456_789n,
      mtimeNs: -4_999_999_999_999_999_999n,
    });
  });

  test("a device number survives being split and joined", () => {
    const half = fc.nat(0xffff_ffff);
    fc.assert(
      fc.property(half, half, (major, minor) => {
        assert.deepEqual(splitDevice(makeDevice(major, minor)), { major, minor });
      }),
    );
    assert.equal(makeDevice(8, 1), 0x801n);
    assert.equal(makeDevice(259, 300), 0x11032cn);
  });

  test("the device kept from the last file does not stick", () => {
    const area = new StatusArea();
    area.bytes.writeUInt32LE(8, 136);
    assert.equal(area.decode().deviceId, 0x800n);
    area.bytes.writeUInt32LE(1, 140);
    assert.equal(area.decode().deviceId, 0x801n);
    area.bytes.writeUInt32LE(9, 136);
    assert.equal(area.decode().deviceId, 0x901n);
  });

  test("a time splits into seconds rounded down and nanoseconds", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), (timeNs) => {
        const { seconds, nanoseconds } = splitTime(timeNs);
        assert.ok(nanoseconds >= 0n && nanoseconds < 1_000_000_000n);
        assert.equal(seconds * 1_000_000_000n + nanoseconds, timeNs);
      }),
    );
  });
});

test("what is missing without libc is named", () => {
  assert.deepEqual(variants[0]!.calls.missing, []);
  assert.deepEqual(variants[1]!.calls.missing, [
    "extended attributes and access control lists",
    "setting file times to the nanosecond",
    "creating devices and named pipes",
    "finding holes in sparse files",
    "reserving space and punching holes",
    "waiting until restored files are on the disk",
  ]);
});

test("in a worker thread the calls work, and closing gives no warning", async () => {
  const code = `
    import { openLibc } from ${JSON.stringify(import.meta.resolve("./libc.ts"))};
    import { MetadataReader } from ${JSON.stringify(import.meta.resolve("./metadata.ts"))};
    import { DirectoryHandle } from ${JSON.stringify(import.meta.resolve("./create.ts"))};
    import { parentPort } from "node:worker_threads";
    const warnings = [];
    process.on("warning", (warning) => warnings.push(String(warning)));
    const calls = openLibc();
    const inode = new MetadataReader(calls).lstat(Buffer.from(${JSON.stringify(root)})).inode;
    DirectoryHandle.open(calls, Buffer.from(${JSON.stringify(root)})).close();
    setTimeout(() => parentPort.postMessage({ inode, missing: calls.missing, warnings }), 20);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const answer = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  assert.deepEqual(answer, { inode: fs.lstatSync(root, { bigint: true }).ino, missing: [], warnings: [] });
});

test("a directory that an ordinary user may not enter gives 'permission'", () => {
  fs.mkdirSync(place("private"), { mode: 0o700 });
  fs.chmodSync(root, 0o755);
  const code = `
    const { openLibc } = await import(${JSON.stringify(import.meta.resolve("./libc.ts"))});
    const { MetadataReader } = await import(${JSON.stringify(import.meta.resolve("./metadata.ts"))});
    const reader = new MetadataReader(openLibc());
    const codes = [];
    for (const call of [
      () => reader.lstat(Buffer.from(${JSON.stringify(place("private/file"))})),
      () => reader.readdir(Buffer.from(${JSON.stringify(place("private"))})),
      () => reader.readXattrs(Buffer.from(${JSON.stringify(place("private/file"))})),
    ]) {
      try { call(); codes.push("nothing"); } catch (error) { codes.push(error.code + " " + error.context.errno); }
    }
    console.log(JSON.stringify(codes));`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    uid: 65534,
    gid: 65534,
    cwd: "/",
    encoding: "utf8",
  });
  assert.equal(child.stderr, "");
  assert.deepEqual(JSON.parse(child.stdout), ["permission EACCES", "permission EACCES", "permission EACCES"]);
});

test("status agrees with stat(1) on the device", () => {
  const reader = new MetadataReader(openLibc());
  const [device, inode] = execFileSync("stat", ["--format=%d %i", root], { encoding: "utf8" }).trim().split(" ");
  const found = reader.lstat(Buffer.from(root));
  assert.deepEqual([found.deviceId, found.inode], [BigInt(device!), BigInt(inode!)]);
});
