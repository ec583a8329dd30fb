// Sandboxes go away whatever is in them, at the end of their scope or after their process has died. Runs as root.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import { isRunning, ownIdentity } from "../state/process-identity.ts";
import { ownedName, ownerOf } from "./owned-name.ts";
import { bytes, Workplace } from "./restoring-fixture.ts";
import { removeStaleSandboxes, SandboxDirectory } from "./sandbox-directory.ts";

const script = (code: string): string => `
  const { SandboxDirectory } = await import(${JSON.stringify(import.meta.resolve("./sandbox-directory.ts"))});
  const { mkdirSync, writeFileSync, chmodSync } = await import("node:fs");
  const directory = process.argv.at(-1);
  const sandbox = await SandboxDirectory.create(directory);
  ${code}`;

function runAs(uid: number, code: string, directory: string): ReturnType<typeof spawnSync> {
  const words = ["--no-warnings", "--input-type=module", "-e", script(code), directory];
  return spawnSync(process.execPath, words, { encoding: "utf8", uid, gid: uid });
}

describe("a sandbox", () => {
  it("is empty, seen by nobody else, and gone with all that is in it", async () => {
    using place = new Workplace();
    const outside = place.at("outside");
    fs.mkdirSync(outside);
    fs.writeFileSync(join(outside, "precious"), "");
    fs.mkdirSync(place.at("all"));
    {
      await using sandbox = await SandboxDirectory.create(place.at("all"));
      assert.equal(fs.statSync(sandbox.path).mode & 0o7777, 0o700);
      assert.match(sandbox.path, /\/all\/sandbox-[0-9a-f-]+$/);
      const odd = bytes(sandbox.path, "/new\nline", [0xff]);
      fs.mkdirSync(odd);
      fs.writeFileSync(bytes(odd, "/", [0x80]), "");
      fs.chmodSync(odd, 0);
      fs.symlinkSync(outside, join(sandbox.path, "link"));
      execFileSync("mkfifo", [join(sandbox.path, "pipe")]);
      await using other = await SandboxDirectory.create(place.at("all"));
      assert.notEqual(other.path, sandbox.path);
    }
    assert.deepEqual(fs.readdirSync(place.at("all")), []);
    assert.deepEqual(fs.readdirSync(outside), ["precious"]);
  });

  it("without root goes away with directories that may not be read", () => {
    using place = new Workplace();
    fs.chmodSync(place.directory, 0o755);
    const all = place.at("all");
    fs.mkdirSync(all);
    fs.chownSync(all, 65534, 65534);
    const code = `
      mkdirSync(sandbox.path + "/closed/below", { recursive: true });
      writeFileSync(sandbox.path + "/closed/below/file", "");
      chmodSync(sandbox.path + "/closed/below", 0o500);
      chmodSync(sandbox.path + "/closed", 0);
      await sandbox[Symbol.asyncDispose]();`;
    const { status, stderr } = runAs(65534, code, all);
    assert.equal(status, 0, String(stderr));
    assert.deepEqual(fs.readdirSync(all), []);
  });

  it("says where it cannot be made", async () => {
    await assert.rejects(SandboxDirectory.create("/nowhere"), (error) => hasCode(error, "target"));
  });
});

describe("sandboxes of processes that died", () => {
  it("R117: are removed; those of living ones and everything else stay", async () => {
    using place = new Workplace();
    const all = place.at("all");
    fs.mkdirSync(all);
    const { signal } = runAs(0, `mkdirSync(sandbox.path + "/x"); process.kill(process.pid, "SIGKILL");`, all);
    assert.equal(signal, "SIGKILL");
    assert.equal(fs.readdirSync(all).length, 1);
    await using mine = await SandboxDirectory.create(all);
    for (const name of ["sandbox-1", "sandbox-", "other"]) fs.mkdirSync(join(all, name));
    const beforeRestart = ownedName("sandbox-", { ...ownIdentity(), bootId: "01234567-89ab-cdef-0123-456789abcdef" });
    fs.mkdirSync(join(all, beforeRestart));
    assert.equal(await removeStaleSandboxes(all, isRunning), 2);
    assert.deepEqual(
      fs.readdirSync(all).sort(),
      ["other", "sandbox-", "sandbox-1", mine.path.slice(all.length + 1)].sort(),
    );
    assert.equal(await removeStaleSandboxes(place.at("none"), isRunning), 0);
  });

  it("are known by their names", () => {
    const owner = ownIdentity();
    const name = ownedName("sandbox-", owner);
    assert.deepEqual(ownerOf("sandbox-", name), owner);
    for (const other of [`x${name}`, `${name}0`, name.slice(0, -1), name.replace("sandbox", "Sandbox")])
      assert.equal(ownerOf("sandbox-", other), null, other);
  });
});
