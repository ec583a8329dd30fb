// Tests of the names of users and groups.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../errors.ts";
import { UserNames } from "./users.ts";

let root = "";
before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-users-"));
});
after(() => fs.rmSync(root, { recursive: true, force: true }));

test("the files of this machine name root", () => {
  const names = new UserNames();
  assert.equal(names.userName(0), "root");
  assert.equal(names.groupName(0), "root");
  assert.equal(names.userName(4_000_000_001), "");
});

test("the first line of a number counts; comments, NIS lines and broken ones do not", () => {
  const passwd = path.join(root, "passwd");
  const group = path.join(root, "group");
  fs.writeFileSync(
    passwd,
    "# comment:x:7:7:a:b:c\n+nis:x:8:8:a:b:c\n-nis:x:8:8:a:b:c\nshort:x:9\n:x:10:10:a:b:c\n" +
      "jürgen:x:1000:100:Jürgen:/home/j:/bin/sh\nsecond:x:1000:100::/:\nno:x::1::/:\nbad:x:0x10:1::/:",
  );
  fs.writeFileSync(group, "wheel:x:10:root,adm\nlast:x:4294967294:");
  const names = new UserNames(passwd, group);
  assert.equal(names.userName(1000), "jürgen");
  for (const uid of [0, 7, 8, 9, 10, 16]) {
    assert.equal(names.userName(uid), "");
  }
  assert.equal(names.groupName(10), "wheel");
  assert.equal(names.groupName(4_294_967_294), "last");
});

test("missing files name nobody, unreadable ones are an error", () => {
  const absent = path.join(root, "absent");
  assert.equal(new UserNames(absent, absent).userName(0), "");
  assert.throws(
    () => new UserNames(root, absent),
    (error) => hasCode(error, "source"),
  );
});
