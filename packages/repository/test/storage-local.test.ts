// Local storage against real file systems: modes, full and read-only disks, foreign users, killed processes.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { hasCode } from "../errors.ts";
import { LocalStorage, temporaryName } from "../storage/local.ts";
import { fileTypes } from "../storage/storage.ts";
import { failsWith, nameOf } from "../testing/storage-conformance.ts";

const writerProgram = fileURLToPath(new URL("storage-local-writer.ts", import.meta.url));
const nobody = 65534;

describe("local storage", () => {
  let directory: string;
  let root: string;
  let storage: LocalStorage;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-local-"));
    root = join(directory, "repository");
    storage = new LocalStorage(root);
    await storage.createLayout();
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  const put = async (content: Buffer, at = storage): Promise<string> => {
    await at.put("pack", nameOf(content), [content]);
    return nameOf(content);
  };
  const filesBelow = async (path: string) =>
    (await readdir(path, { recursive: true, withFileTypes: true }))
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name);

  it("has restic's layout", async () => {
    for (const type of fileTypes) {
      const content = Buffer.from(type);
      await storage.put(type, type === "config" ? "config" : nameOf(content), [content]);
    }
    const name = (type: string) => nameOf(Buffer.from(type));
    const expected = {
      config: "config",
      key: `keys/${name("key")}`,
      lock: `locks/${name("lock")}`,
      snapshot: `snapshots/${name("snapshot")}`,
      index: `index/${name("index")}`,
      pack: `data/${name("pack").slice(0, 2)}/${name("pack")}`,
    };
    for (const [type, path] of Object.entries(expected)) assert.equal(await readFile(join(root, path), "utf8"), type);
    assert.equal((await filesBelow(root)).length, fileTypes.length, "nothing else is left there");
  });

  it("lets nobody but the owner in, whatever the umask", async () => {
    for (const umask of [0, 0o077]) {
      const before = process.umask(umask);
      try {
        const place = new LocalStorage(join(directory, `deep/${umask}/repository`));
        await place.createLayout();
        await put(randomBytes(10), place);
        await place.put("config", "config", [randomBytes(10)]);
      } finally {
        process.umask(before);
      }
    }
    assert.equal(execFileSync("find", [join(directory, "deep"), root, "-perm", "/077"], { encoding: "utf8" }), "");
  });

  it("ignores foreign files", async () => {
    const name = await put(randomBytes(10));
    const foreign = [
      "data/README",
      `data/${name.slice(0, 2)}/${name.toUpperCase()}`,
      `data/${name.slice(0, 2)}/${name}-tmp-123`,
      "keys/.DS_Store",
      "data/lost+found",
    ];
    for (const path of foreign) await writeFile(join(root, path), "foreign");
    const elsewhere = name.startsWith("00") ? "01" : "00";
    await mkdir(join(root, "data", elsewhere));
    await writeFile(join(root, "data", elsewhere, name), "in the wrong directory");
    await mkdir(join(root, "keys", "0".repeat(64)));
    assert.deepEqual(await Array.fromAsync(storage.list("pack")), [{ name, sizeBytes: 10 }]);
    assert.deepEqual(await Array.fromAsync(storage.list("key")), []);
  });

  it("reads repositories whose empty directories were not copied along, and writes into them", async () => {
    for (const name of ["data", "locks"]) await rm(join(root, name), { recursive: true });
    assert.deepEqual(await Array.fromAsync(storage.list("pack")), []);
    await put(randomBytes(10));
    const lock = randomBytes(10);
    await storage.put("lock", nameOf(lock), [lock]);
    assert.equal((await Array.fromAsync(storage.list("pack"))).length, 1);
  });

  it("never makes the root while writing: the disk may not be mounted", async () => {
    const absent = new LocalStorage(join(directory, "absent"));
    await assert.rejects(put(randomBytes(10), absent), failsWith("not-found"));
    await assert.rejects(absent.put("config", "config", [randomBytes(10)]), failsWith("not-found"));
    assert.deepEqual(await readdir(directory), ["repository"]);
  });

  it("mends a file that was cut short by storing it again", async () => {
    const content = randomBytes(1000);
    const name = await put(content);
    await writeFile(join(root, "data", name.slice(0, 2), name), content.subarray(0, 10));
    await put(content);
    assert.deepEqual(await storage.read("pack", name), content);
  });

  it("names the path in its errors", async () => {
    const name = nameOf(Buffer.from("missing"));
    await assert.rejects(
      storage.read("index", name),
      (error) => hasCode(error, "not-found") && error.message.includes(join(root, "index", name)),
    );
  });

  it("says no-space on a full disk, leaves nothing behind and goes on when there is space", async () => {
    await withTmpfs(directory, "size=3m", async (mount) => {
      const full = new LocalStorage(join(mount, "repository"));
      await full.createLayout();
      const first = randomBytes(1024 * 1024);
      const name = await put(first, full);
      const large = randomBytes(4 * 1024 * 1024);
      await assert.rejects(put(large, full), (error) => hasCode(error, "no-space") && !error.retryable);
      assert.deepEqual(await filesBelow(mount), [name]);
      assert.deepEqual(await full.read("pack", name), first);
      execFileSync("mount", ["-o", "remount,size=16m", mount]);
      assert.deepEqual(await full.read("pack", await put(large, full)), large);
    });
  });

  it("says permission on a read-only file system, and reads it", async () => {
    await withTmpfs(directory, "size=3m", async (mount) => {
      const place = new LocalStorage(join(mount, "repository"));
      await place.createLayout();
      const name = await put(randomBytes(100), place);
      execFileSync("mount", ["-o", "remount,ro", mount]);
      await assert.rejects(put(randomBytes(100), place), failsWith("permission"));
      await assert.rejects(place.remove("pack", name), failsWith("permission"));
      await assert.rejects(new LocalStorage(join(mount, "other")).createLayout(), failsWith("permission"));
      assert.equal((await place.read("pack", name)).byteLength, 100);
    });
  });

  it("says permission to another user, not that there is nothing", async () => {
    const content = randomBytes(100);
    const name = await put(content);
    await chmod(directory, 0o755);
    for (const action of ["list", "read", "put", "stat", "remove"]) {
      const child = spawn(process.execPath, [writerProgram, root, action, name], {
        uid: nobody,
        gid: nobody,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [output] = await Promise.all([Array.fromAsync(child.stdout as AsyncIterable<Buffer>), once(child, "exit")]);
      assert.equal(Buffer.concat(output).toString(), "permission", action);
    }
  });

  it("leaves only whole files when it is killed, and removes the rest later", async () => {
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [writerProgram, root, "put-forever", ""], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      // Its first file is there: from now on it is writing, somewhere in the middle.
      await once(child.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, 15 + round * 7));
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    const files = await Array.fromAsync(storage.list("pack"));
    assert.ok(files.length >= 4);
    for (const file of files) assert.equal(nameOf(await storage.read("pack", file.name)), file.name);

    const leftovers = (await filesBelow(root)).length - files.length;
    assert.equal(await storage.removeStaleTemporaries(new Date()), 0, "young ones may still be written");
    assert.equal(await storage.removeStaleTemporaries(new Date(Date.now() + 7 * 60 * 60 * 1000)), leftovers);
    assert.equal((await filesBelow(root)).length, files.length);
  });

  it("removes only its own temporary files, and only old ones", async () => {
    const name = await put(randomBytes(10));
    const shard = `data/${name.slice(0, 2)}`;
    const now = new Date("2026-01-02T12:00:00Z");
    const paths = {
      old: `${shard}/${temporaryName(name)}`,
      config: temporaryName("config"),
      young: `${shard}/${temporaryName(name)}`,
      foreign: `${shard}/${name}-tmp-123456`,
    };
    for (const [kind, path] of Object.entries(paths)) {
      await writeFile(join(root, path), "");
      await utimes(join(root, path), now, new Date(now.getTime() - (kind === "young" ? 5.9 : 6.1) * 60 * 60 * 1000));
    }
    assert.equal(await storage.removeStaleTemporaries(now), 2);
    assert.deepEqual((await filesBelow(root)).sort(), [name, paths.young.slice(8), paths.foreign.slice(8)].sort());
  });
});

async function withTmpfs(directory: string, options: string, run: (mount: string) => Promise<void>): Promise<void> {
  const mount = join(directory, "mount");
  await mkdir(mount);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "holdfast-test", mount]);
  try {
    await run(mount);
  } finally {
    execFileSync("umount", [mount]);
  }
}
