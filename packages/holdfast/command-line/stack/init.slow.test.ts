// `holdfast init` on a real disk: what it makes, what it leaves alone, and how it goes on after a failure anywhere.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { HoldfastError, openStorage, parseLocation, Repository, type Storage } from "@holdfast/repository";
import { faultScript, FaultStorage, leaveTemporaryIn } from "@holdfast/repository/testing/fault-storage";
import { sourceKinds } from "@holdfast/sources";
import { identityOfProcess } from "../../access/identity.ts";
import { loadConfiguration } from "../../configuration/load-configuration.ts";
import { fileOperations, type FileOperations } from "../../state/file-operations.ts";
import { runWords, type Printed } from "./config-fixture.ts";
import { initRequest } from "./init-request.ts";
import { initialise, type Initialised } from "./init-writer.ts";

let directory = "";
const at = (...names: string[]): string => join(directory, ...names);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-init-"));
  mkdirSync(at("data"));
  writeFileSync(at("data/file"), "content");
});
afterEach(() => rmSync(directory, { recursive: true }));

const init = (...more: string[]): Promise<Printed> =>
  runWords(
    ["init", "--yes", "--files", at("data"), "--repository", at("repository"), "--directory", at("conf"), ...more],
    {
      HOME: directory,
      RESTIC_REPOSITORY: "/nowhere",
      RESTIC_REPOSITORY_FILE: "/nowhere/either",
      RESTIC_PASSWORD: "of-another",
    },
  );

const load = () =>
  loadConfiguration({ file: at("conf/holdfast.yml"), kinds: sourceKinds, environment: {}, stateDirectory: null });

describe("holdfast init", () => {
  it("R114: makes a key, a repository, a configuration and a sheet, closed to others, and prints no secret", async () => {
    const { code, stdout, stderr } = await init();
    assert.equal(code, 0, stderr);
    const key = readFileSync(at("conf/key"), "utf8").trim();
    assert.match(key, /^[\w-]{43}$/);
    assert.equal((stdout + stderr).includes(key), false);
    assert.match(stderr, /Move .*holdfast-recovery-sheet\.txt off this machine/);
    const mode = (path: string): string => (statSync(at(path)).mode & 0o777).toString(8);
    assert.deepEqual(["conf", "repository"].map(mode), ["700", "700"]);
    const made = ["holdfast-recovery-sheet.txt", "holdfast.yml", "key"];
    assert.deepEqual(readdirSync(at("conf")).sort(), made);
    assert.deepEqual(
      made.map((name) => mode(`conf/${name}`)),
      ["600", "600", "600"],
    );
    assert.equal(load().stacks.get("main")?.sources.size, 1);
    const check = await runWords(["config", "check", "-c", at("conf/holdfast.yml")]);
    assert.equal(check.code, 0, check.stdout);
  });

  it("prints one object for programs", async () => {
    const { code, stdout } = await init("--json", "--stack", "shop");
    assert.equal(code, 0);
    const { id, ...rest } = JSON.parse(stdout) as { id: string };
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      message_type: "initialized",
      config: at("conf/holdfast.yml"),
      key_file: at("conf/key"),
      recovery_sheet: at("conf/holdfast-recovery-sheet.txt"),
      repository: at("repository"),
      stack: "shop",
      continued: false,
    });
  });

  it("never writes over anything: it names what is there and ends with 1", async () => {
    mkdirSync(at("conf"));
    for (const name of ["holdfast.yml", "key", "holdfast-recovery-sheet.txt"]) {
      writeFileSync(at("conf", name), "mine");
      const { code, stderr } = await init();
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`conf/${name} exists already`));
      assert.deepEqual(readdirSync(at("conf")), [name]);
      assert.equal(readFileSync(at("conf", name), "utf8"), "mine");
      rmSync(at("conf", name));
    }
    mkdirSync(at("repository/keys"), { recursive: true });
    writeFileSync(at("repository/config"), "mine");
    const { code, stderr } = await init();
    assert.equal(code, 1);
    assert.match(stderr, /there is a repository at .*\/repository already/);
    assert.deepEqual([readdirSync(at("conf")), readFileSync(at("repository/config"), "utf8")], [[], "mine"]);
  });

  it("R039: needs a terminal or --yes", async () => {
    const { code, stderr } = await runWords(["init", "--directory", at("conf")], { HOME: directory });
    assert.equal(code, 2);
    assert.match(stderr, /no terminal[^]*--yes/);
    assert.deepEqual(readdirSync(directory), ["data"]);
  });

  it("its recovery sheet brings everything back with restic alone", async () => {
    assert.equal((await init()).code, 0);
    const backup = await runWords(["backup", "-c", at("conf/holdfast.yml")], {
      HOME: directory,
      XDG_STATE_HOME: at("state"),
    });
    assert.equal(backup.code, 0, backup.stderr);
    const sheet = readFileSync(at("conf/holdfast-recovery-sheet.txt"), "utf8");
    const key = /^Key +(\S+)$/m.exec(sheet)?.[1] ?? assert.fail("no key");
    const command = /^ +(restic .* restore .*)$/m.exec(sheet)?.[1] ?? assert.fail("no command");
    rmSync(at("conf"), { recursive: true });
    rmSync(at("data"), { recursive: true });
    writeFileSync(at("key"), key);
    const restic = process.env["HOLDFAST_RESTIC"] ?? assert.fail("HOLDFAST_RESTIC names no restic");
    const words = command
      .replaceAll("/tmp/key", at("key"))
      .replaceAll("/tmp/restored", at("restored"))
      .split(" ")
      .slice(1);
    execFileSync(restic, words, { env: { HOME: directory, RESTIC_CACHE_DIR: at("cache") }, stdio: "pipe" });
    const found = readdirSync(at("restored"), { recursive: true })
      .map(String)
      .find((path) => path.endsWith("/file"));
    assert.ok(found !== undefined && found.includes(`files${at("data/file")}`), found);
    assert.equal(readFileSync(at("restored", found), "utf8"), "content");
  });
});

describe("an init that is interrupted", () => {
  const make = (
    files: FileOperations,
    wrap: (storage: Storage) => Storage,
    url = at("repository"),
  ): Promise<Initialised> => {
    const wishes = { repository: url, sqlite: undefined, files: [at("data")], stack: undefined, directory: at("conf") };
    const request = initRequest(wishes, { environment: {}, uid: 0, workingDirectory: directory });
    return initialise(request, {
      files,
      repository: {
        storage: wrap(openStorage(parseLocation(url))),
        cacheDirectory: undefined,
        now: () => new Date(),
        identity: identityOfProcess(),
      },
      newKey: () => `key-${Math.random()}-long-enough-for-anybody`,
      now: () => new Date(),
      host: "alpha",
    });
  };
  const whole = (storage: Storage): Storage => storage;

  const assertWhole = async (): Promise<void> => {
    assert.deepEqual(readdirSync(at("conf")).sort(), ["holdfast-recovery-sheet.txt", "holdfast.yml", "key"]);
    const [repository] = load().repositories.values();
    const password = readFileSync(at("conf/key"), "utf8").trim();
    const storage = openStorage(repository?.location ?? assert.fail());
    await using opened = await Repository.open({
      storage,
      password,
      cacheDirectory: undefined,
      now: () => new Date(),
      identity: identityOfProcess(),
    });
    const sheet = readFileSync(at("conf/holdfast-recovery-sheet.txt"), "utf8");
    assert.equal(sheet.includes(opened.id) && sheet.includes(password), true);
    let keys = 0;
    for await (const _key of storage.list("key")) keys++;
    assert.equal(keys, 1);
  };

  it("goes on where it stopped, whichever file could not be written", async () => {
    let failures = 0;
    for (let number = 1; ; number++) {
      rmSync(at("conf"), { recursive: true, force: true });
      rmSync(at("repository"), { recursive: true, force: true });
      const files = failingAt(number);
      let failed: unknown = null;
      await make(files.operations, whole).catch((error: unknown) => (failed = error));
      if (files.calls < number) break;
      assert.ok(failed instanceof HoldfastError, String(failed));
      assert.equal(failed.code, "no-space");
      failures++;
      // With the configuration everything was there already, and it is not written over.
      const finished = readdirSync(at("conf")).includes("holdfast.yml");
      if (finished) {
        await assert.rejects(make(fileOperations, whole), /holdfast\.yml exists already/);
        rmSync(at("conf/holdfast-init.unfinished"), { force: true });
      } else await make(fileOperations, whole);
      const made = ["holdfast-recovery-sheet.txt", "holdfast.yml", "key"];
      assert.deepEqual(readdirSync(at("conf")).sort(), made, `call ${number}`);
    }
    assert.equal(failures >= 13, true, `${failures} failures`);
  });

  it("goes on where it stopped, wherever it died while the repository was made", async () => {
    for (const effect of ["not-done", "done", "temporary"] as const) {
      for (const file of ["key", "config"] as const) {
        rmSync(at("conf"), { recursive: true, force: true });
        rmSync(at("repository"), { recursive: true, force: true });
        const script = faultScript([{ number: 1, operation: "put", type: file, fault: { kind: "crash", effect } }]);
        const crashing = (inner: Storage): Storage =>
          new FaultStorage(inner, script, { leaveTemporary: leaveTemporaryIn(at("repository")) });
        await assert.rejects(make(fileOperations, crashing), `${effect} ${file}`);
        assert.equal((await make(fileOperations, whole)).continued, true);
        await assertWhole();
      }
    }
  });

  it("says what to remove when it is to be something else now", async () => {
    await make(failingAt(4).operations, whole).catch(() => undefined);
    await assert.rejects(make(fileOperations, whole, at("other")), (error: HoldfastError) => {
      assert.match(error.message, /an earlier init for the repository .*\/repository was not finished/);
      assert.match(error.hint, /--repository .*\/repository, or give it up: rm -f .*\/conf\/key .*unfinished/);
      return error.code === "target";
    });
  });

  it("removes no key of a repository that holds backups", async () => {
    await make(failingAt(4).operations, whole).catch(() => undefined);
    mkdirSync(at("repository/data/ab"), { recursive: true });
    mkdirSync(at("repository/keys"), { recursive: true });
    const name = "ab".padEnd(64, "0");
    writeFileSync(at("repository/data/ab", name), "a pack");
    writeFileSync(at("repository/keys", name), "a key");
    await assert.rejects(make(fileOperations, whole), /holds backups, but no config/);
    assert.deepEqual(readdirSync(at("repository/keys")), [name]);
  });
});

/** The disk is full from the `number`-th call on; what is written then is cut short. */
function failingAt(number: number): { operations: FileOperations; readonly calls: number } {
  let calls = 0;
  const full = (): boolean => ++calls >= number;
  const error = (): Error => Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  return {
    operations: {
      async write(path, bytes) {
        if (!full()) return fileOperations.write(path, bytes);
        writeFileSync(path, bytes.subarray(0, 5), { mode: 0o600 });
        throw error();
      },
      replace: (from, to) => (full() ? Promise.reject(error()) : fileOperations.replace(from, to)),
      move: (from, to) => (full() ? Promise.reject(error()) : fileOperations.move(from, to)),
      remove: (path) => (full() ? Promise.reject(error()) : fileOperations.remove(path)),
      sync: (path) => (full() ? Promise.reject(error()) : fileOperations.sync(path)),
    },
    get calls() {
      return calls;
    },
  };
}
