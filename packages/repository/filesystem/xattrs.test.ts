// Tests of extended attributes and ACLs, checked with getfattr, setfattr, setfacl and getfacl.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../errors.ts";
import { openLibc } from "./libc.ts";
import { MetadataReader } from "./metadata.ts";
import { Xattrs } from "./xattrs.ts";
import type { ExtendedAttribute } from "./xattrs.ts";

let root = "";
before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-xattrs-"));
});
after(() => fs.rmSync(root, { recursive: true, force: true }));

const calls = openLibc();
const reader = new MetadataReader(calls);
const xattrs = new Xattrs(calls);

function file(name: string): { text: string; raw: Buffer } {
  const text = path.join(root, name);
  fs.writeFileSync(text, "content");
  return { text, raw: Buffer.from(text) };
}

const byName = (a: ExtendedAttribute, b: ExtendedAttribute): number => (a.name < b.name ? -1 : 1);
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

test("attributes written by setfattr are read: binary, empty, and a name beyond ASCII", () => {
  const { text, raw } = file("read");
  assert.equal(reader.hasXattrs(raw), false);
  assert.deepEqual(reader.readXattrs(raw), []);
  execFileSync("setfattr", ["-n", "user.binary", "-v", `0x${everyByte.toString("hex")}`, text]);
  execFileSync("setfattr", ["-n", "user.empty", text]);
  execFileSync("setfattr", ["-n", "user.größe", "-v", "12", text]);
  assert.equal(reader.hasXattrs(raw), true);
  assert.deepEqual(reader.listXattrs(raw).sort(), ["user.binary", "user.empty", "user.größe"]);
  assert.deepEqual(reader.readXattrs(raw).sort(byName), [
    { name: "user.binary", value: everyByte },
    { name: "user.empty", value: Buffer.alloc(0) },
    { name: "user.größe", value: Buffer.from("12") },
  ]);
});

test("replacing sets, overwrites and removes; by path and by descriptor", () => {
  const { text, raw } = file("replace");
  const descriptor = fs.openSync(text, "r+");
  for (const target of [raw, descriptor]) {
    execFileSync("setfattr", ["-n", "user.old", "-v", "gone soon", text]);
    execFileSync("setfattr", ["-n", "user.kept", "-v", "before", text]);
    const wanted = [
      { name: "trusted.root", value: everyByte },
      { name: "user.empty", value: Buffer.alloc(0) },
      { name: "user.kept", value: Buffer.from("after") },
    ];
    xattrs.replace(target, wanted, raw);
    assert.deepEqual(xattrs.read(target).sort(byName), wanted);
    const shown = execFileSync("getfattr", ["--absolute-names", "-d", "-e", "hex", text], { encoding: "utf8" });
    assert.deepEqual(shown.trim().split("\n").slice(1).sort(), ["user.empty=0x", "user.kept=0x6166746572"]);
    xattrs.replace(target, [], raw);
    assert.deepEqual(xattrs.list(target), []);
  }
  fs.closeSync(descriptor);
});

test("more names and larger values than the first buffer holds are read whole", () => {
  // tmpfs would not do: ext4 limits all attributes of a file to one block, about 4 KiB.
  const { raw } = file("many");
  const wanted = Array.from({ length: 60 }, (_, index) => ({
    name: `user.attribute-number-${String(index).padStart(2, "0")}`,
    value: Buffer.from([index]),
  }));
  xattrs.replace(raw, wanted, raw);
  assert.equal(reader.hasXattrs(raw), true);
  assert.deepEqual(reader.readXattrs(raw).sort(byName), wanted);
  const large = [{ name: "user.large", value: Buffer.alloc(3000, 7) }];
  xattrs.replace(raw, large, raw);
  assert.deepEqual(reader.readXattrs(raw), large);
});

test("a value that does not fit is an error that names path and attribute; the others are set", () => {
  const { raw } = file("too-large");
  assert.throws(
    () =>
      xattrs.replace(
        raw,
        [
          { name: "user.huge", value: Buffer.alloc(70_000) },
          { name: "user.fits", value: Buffer.from("1") },
          { name: "nonsense", value: Buffer.alloc(1) },
        ],
        raw,
      ),
    (error) =>
      hasCode(error, "target") &&
      error.context["attributes"] === "user.huge, nonsense" &&
      error.message.includes("too-large"),
  );
  assert.deepEqual(reader.listXattrs(raw), ["user.fits"]);
});

test("links: their own attributes, never those of what they point to", () => {
  const { text, raw } = file("pointed-to");
  execFileSync("setfattr", ["-n", "user.of-the-file", "-v", "1", text]);
  const link = Buffer.from(path.join(root, "link"));
  fs.symlinkSync(text, link);
  assert.deepEqual(reader.readXattrs(link), []);
  xattrs.replace(link, [{ name: "trusted.of-the-link", value: Buffer.from("2") }], link);
  assert.deepEqual(reader.listXattrs(link), ["trusted.of-the-link"]);
  assert.deepEqual(reader.listXattrs(raw), ["user.of-the-file"]);
});

test("an access control list comes back as getfacl shows it, and an inherited one goes", () => {
  const directory = path.join(root, "with-default");
  fs.mkdirSync(directory);
  execFileSync("setfacl", ["-m", "u:1234:rwx,g:4321:r-x,d:u:1234:rw-,d:o::---", directory]);
  const original = file("acl");
  execFileSync("setfacl", ["-m", "u:nobody:r--,g:77:rw-,m::rw-", original.text]);
  const acl = (place: string): string =>
    execFileSync("getfacl", ["--absolute-names", "--numeric", "--omit-header", place], { encoding: "utf8" });

  const copy = path.join(root, "copy-of-directory");
  fs.mkdirSync(copy);
  xattrs.replace(Buffer.from(copy), reader.readXattrs(Buffer.from(directory)), Buffer.from(copy));
  assert.equal(acl(copy), acl(directory));
  assert.match(acl(copy), /default:user:1234:rw-/);

  // A file made in this directory inherits its default ACL, and must end with that of the original.
  const inheriting = path.join(copy, "file");
  fs.writeFileSync(inheriting, "");
  assert.match(acl(inheriting), /user:1234/);
  xattrs.replace(Buffer.from(inheriting), reader.readXattrs(original.raw), Buffer.from(inheriting));
  fs.chmodSync(inheriting, reader.lstat(original.raw).mode & 0o7777);
  assert.equal(acl(inheriting), acl(original.text));
  xattrs.replace(Buffer.from(inheriting), [], Buffer.from(inheriting));
  fs.chmodSync(inheriting, 0o640);
  assert.equal(acl(inheriting), "user::rw-\ngroup::r--\nother::---\n\n");
});

test("file systems without attributes have none", () => {
  // procfs knows no attributes at all.
  assert.deepEqual(reader.readXattrs(Buffer.from("/proc/self/status")), []);
  assert.equal(reader.hasXattrs(Buffer.from("/proc/self/status")), false);
});

test("a missing file is an error of the source", () => {
  const missing = Buffer.from(path.join(root, "missing"));
  for (const call of [() => reader.hasXattrs(missing), () => reader.readXattrs(missing)]) {
    assert.throws(call, (error) => hasCode(error, "source") && error.context["errno"] === "ENOENT");
  }
});

test("an attribute that vanishes between listing and reading is left out", () => {
  const { text, raw } = file("racing");
  execFileSync("setfattr", ["-n", "user.first", "-v", "1", text]);
  execFileSync("setfattr", ["-n", "user.second", "-v", "2", text]);
  // The list is taken from libc and then one attribute is removed by another process, as in the real race.
  const racing = openLibc();
  racing.listxattr = (target, into) => {
    const length = calls.listxattr(target, into);
    execFileSync("setfattr", ["-x", "user.first", text]);
    return length;
  };
  assert.deepEqual(new Xattrs(racing).read(raw), [{ name: "user.second", value: Buffer.from("2") }]);
});

test("a list without its last zero, as a faulty file system in user space may give, still ends", () => {
  const faulty = openLibc();
  faulty.listxattr = (_target, into) => into.write("user.a\0user.b");
  assert.deepEqual(new Xattrs(faulty).list(Buffer.from("/")).map(String), ["user.a", "user.b"]);
});

test("without libc: none are read, and wanting some is 'unsupported' with what to install", () => {
  const { text, raw } = file("fallback");
  execFileSync("setfattr", ["-n", "user.there", "-v", "1", text]);
  const reduced = new Xattrs(
    openLibc(() => {
      throw new Error("not installed");
    }),
  );
  assert.deepEqual(reduced.read(raw), []);
  assert.equal(reduced.has(raw), false);
  reduced.replace(raw, [], raw);
  assert.throws(
    () => reduced.replace(raw, [{ name: "user.a", value: Buffer.from("1") }], raw),
    (error) => hasCode(error, "unsupported") && /koffi/.test(error.hint),
  );
});

test("an ordinary user may not set trusted attributes: 'permission', the rest is set", () => {
  const { text, raw } = file("ordinary");
  fs.chownSync(text, 65534, 65534);
  fs.chmodSync(root, 0o755);
  const code = `
    const { openLibc } = await import(${JSON.stringify(import.meta.resolve("./libc.ts"))});
    const { Xattrs } = await import(${JSON.stringify(import.meta.resolve("./xattrs.ts"))});
    const path = Buffer.from(${JSON.stringify(text)});
    try {
      new Xattrs(openLibc()).replace(path, [
        { name: "trusted.no", value: Buffer.from("1") },
        { name: "user.yes", value: Buffer.from("1") },
      ], path);
    } catch (error) { console.log(error.code, error.context.attributes); }`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    uid: 65534,
    gid: 65534,
    cwd: "/",
    encoding: "utf8",
  });
  assert.equal(child.stderr, "");
  assert.equal(child.stdout, "permission trusted.no\n");
  assert.deepEqual(reader.listXattrs(raw), ["user.yes"]);
});
