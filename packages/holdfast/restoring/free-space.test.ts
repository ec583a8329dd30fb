// Room on a file system of a known size is told rightly, and too little of it is refused. Runs as root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { it } from "node:test";
import { hasCode } from "@holdfast/repository";
import { requireFreeSpace } from "./free-space.ts";
import { Workplace } from "./restoring-fixture.ts";

it("R102: refuses what does not fit, with both amounts", async () => {
  using place = new Workplace();
  const directory = place.at("small\n");
  mkdirSync(directory);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]);
  try {
    const path = Buffer.from(directory);
    await requireFreeSpace(path, 1024 * 1024);
    await assert.rejects(requireFreeSpace(path, 1024 * 1024 + 1), (error) => {
      assert.ok(hasCode(error, "no-space"));
      assert.match(error.message, /^1\.000 MiB are needed in .*small\\x0a, and 1\.000 MiB are free there$/);
      assert.equal(error.context["freeBytes"], 1024 * 1024);
      return error.context["neededBytes"] === 1024 * 1024 + 1;
    });
  } finally {
    execFileSync("umount", ["--lazy", directory]);
  }
  await assert.rejects(requireFreeSpace(Buffer.from("/nowhere"), 1), (error) => hasCode(error, "target"));
});
