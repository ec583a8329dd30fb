// Entries of a source that come back with everything, or not at all. Runs as root.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { hasCode, openLibc, type Repository, type RestoreEvent, type StoredSnapshot } from "@holdfast/repository";
import { bytes, capture, factsOf, openRepository, partOf, Workplace } from "./restoring-fixture.ts";
import { removeStaleStaging } from "./staging-directory.ts";
import { isRunning, ownIdentity } from "../state/process-identity.ts";
import { ownedName } from "./owned-name.ts";

const place = new Workplace();
const source = place.at("source");
const nasty = bytes(source, "/na[s]t*y\n", [0xff, 0x5c]);
const names = ["new\nline", "*", "[a-z]?", "back\\slash", "-rf", " ", "..x", "é", ".holdfast-restore-0123456789abcdef"];
let repository: Repository;
let snapshot: StoredSnapshot;
let next = 0;

/** A directory of its own for a copy, with a name that is no text. */
function target(): Buffer {
  const directory = bytes(place.at(`target ${next++}`), [0x0a, 0xfe]);
  fs.mkdirSync(directory);
  return directory;
}

const below = (directory: Buffer, name: string | Buffer): Buffer => bytes(directory, "/", name);
const namesIn = (directory: Buffer): string[] => fs.readdirSync(directory, { encoding: "latin1" });

function makeNasty(): void {
  fs.mkdirSync(nasty, { recursive: true });
  // What a pattern of that name would take as well.
  fs.mkdirSync(join(source, "nasxty"));
  for (const name of names) fs.writeFileSync(below(nasty, name), name);
  const deep = below(nasty, bytes([0xc3, 0x28]));
  fs.mkdirSync(deep);
  fs.writeFileSync(below(deep, "large"), randomBytes(5_000_000));
  fs.writeFileSync(below(deep, "empty"), "");
  fs.linkSync(below(deep, "large"), below(nasty, "another name"));
  fs.symlinkSync(bytes([0xfd], "/nowhere"), below(nasty, "dangling"));
  fs.writeFileSync(below(nasty, "setuid"), "s");
  fs.chownSync(below(nasty, "setuid"), 1234, 4321);
  fs.chmodSync(below(nasty, "setuid"), 0o6751);
  execFileSync("mkfifo", ["-m", "0640", join(source, "pipe")]);
  fs.renameSync(join(source, "pipe"), below(nasty, "pipe"));
  execFileSync("mknod", [join(source, "device"), "c", "1", "3"]);
  fs.renameSync(join(source, "device"), below(nasty, "device"));
  const sparse = fs.openSync(below(nasty, "sparse"), "w");
  fs.writeSync(sparse, "middle", 4_000_077);
  fs.ftruncateSync(sparse, 8_000_000);
  fs.closeSync(sparse);
  const libc = openLibc();
  for (const path of [nasty, below(nasty, "setuid")])
    assert.equal(libc.setxattr(path, Buffer.from("user.note"), bytes("value", [0, 255])), 0);
  fs.chmodSync(deep, 0o500);
  fs.chownSync(nasty, 77, 78);
  fs.chmodSync(nasty, 0o2751);
  execFileSync("find", [source, "-exec", "touch", "-h", "-d", "2001-02-03 04:05:06.123456789", "{}", "+"]);
}

before(async () => {
  makeNasty();
  fs.writeFileSync(join(source, "file"), "content");
  fs.mkdirSync(join(source, "many"));
  for (let i = 0; i < 20; i++) fs.writeFileSync(join(source, "many", String(i)), randomBytes(700_000));
  repository = await openRepository(place.at("repository"), "create");
  snapshot = await capture(repository, [Buffer.from(source)]);
});

after(async () => {
  await repository[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

describe("restoring an entry of a source", () => {
  it("R068: a folder comes back with all below it and all metadata, its own too, whatever the names", async () => {
    const directory = target();
    const copy = below(directory, bytes("copy\n", [0xff]));
    const events: RestoreEvent[] = [];
    const part = partOf(repository, snapshot, undefined, (event) => events.push(event));
    await part.restore(nasty, copy);
    const facts = await factsOf(copy);
    assert.deepEqual(facts, await factsOf(nasty));
    assert.ok(facts.size > 18);
    assert.ok(fs.statSync(below(copy, "sparse")).blocks * 512 < 1_000_000);
    assert.equal(fs.lstatSync(below(copy, "another name")).nlink, 2);
    assert.deepEqual(await part.compare(nasty, copy), []);
    // Nothing beside it, and nothing but it was restored.
    assert.deepEqual(namesIn(directory), [`copy\n\xff`]);
    assert.ok(events.some(({ kind }) => kind === "progress"));
    assert.ok(!events.some((event) => event.kind === "item" && event.path.includes("nasxty")));
  });

  for (const name of ["setuid", "dangling", "pipe", "device", "sparse", "*", "another name"]) {
    it(`brings back a single ${name}`, async () => {
      const copy = below(target(), "copy");
      const part = partOf(repository, snapshot);
      await part.restore(below(nasty, name), copy);
      assert.deepEqual(await factsOf(copy), await factsOf(below(nasty, name)));
      assert.deepEqual(await part.compare(below(nasty, name), copy), []);
    });
  }

  it("brings back all of a source that captured the root", async () => {
    const copy = below(target(), "copy");
    await partOf(repository, snapshot).restore(Buffer.from("/"), copy);
    assert.deepEqual(await factsOf(bytes(copy, nasty)), await factsOf(nasty));
  });

  for (const [what, make] of [
    ["a file", (path: Buffer) => fs.writeFileSync(path, "mine")],
    ["an empty folder", (path: Buffer) => fs.mkdirSync(path)],
    ["a dangling link", (path: Buffer) => fs.symlinkSync("nowhere", path)],
  ] as const) {
    it(`does not take the place of ${what}`, async () => {
      const directory = target();
      const copy = below(directory, "copy");
      make(copy);
      const there = await factsOf(directory);
      for (const path of [bytes(source, "/file"), bytes(source, "/many")])
        await assert.rejects(
          partOf(repository, snapshot).restore(path, copy),
          (error) => hasCode(error, "target") && error.context["errno"] === "EEXIST",
        );
      assert.deepEqual(await factsOf(directory), there);
    });
  }

  it("does not take a place that was filled while it restored", async () => {
    const directory = target();
    const copy = below(directory, "copy");
    const fill = (event: RestoreEvent): void => {
      if (event.kind === "item" && !fs.existsSync(copy)) fs.mkdirSync(copy);
    };
    await assert.rejects(
      partOf(repository, snapshot, undefined, fill).restore(bytes(source, "/many"), copy),
      (error) => hasCode(error, "target") && error.context["errno"] === "EEXIST",
    );
    assert.deepEqual(namesIn(directory), ["copy"]);
    assert.deepEqual(namesIn(copy), []);
  });

  it("names what is not in the snapshot, and a place that is not there", async () => {
    const directory = target();
    const part = partOf(repository, snapshot);
    for (const path of [bytes(source, "/none"), bytes(source, "/file/below")])
      await assert.rejects(part.restore(path, below(directory, "copy")), (error) => hasCode(error, "not-found"));
    assert.deepEqual(namesIn(directory), []);
    await assert.rejects(part.restore(bytes(source, "/file"), bytes(directory, "/none/copy")), (error) =>
      hasCode(error, "target"),
    );
  });

  it("an order to end leaves nothing behind", async () => {
    const directory = target();
    const end = new AbortController();
    const part = partOf(repository, snapshot, end.signal, ({ kind }) => kind === "item" && end.abort());
    await assert.rejects(part.restore(bytes(source, "/many"), below(directory, "copy")), (error) =>
      hasCode(error, "interrupted"),
    );
    assert.deepEqual(namesIn(directory), []);
  });

  it("R097: a damaged pack is said, counted, and leaves nothing behind", async () => {
    const damaged = place.at("damaged");
    fs.cpSync(place.at("repository"), damaged, { recursive: true });
    const packs = execFileSync("find", [join(damaged, "data"), "-type", "f", "-size", "+1000k"], { encoding: "utf8" });
    for (const pack of packs.trim().split("\n")) {
      const content = fs.readFileSync(pack);
      content.fill(0x55, 1000, content.length - 5000);
      fs.chmodSync(pack, 0o600);
      fs.writeFileSync(pack, content);
    }
    await using broken = await openRepository(damaged, "open");
    const directory = target();
    const part = partOf(broken, snapshot);
    await assert.rejects(part.restore(bytes(source, "/many"), below(directory, "copy")), (error) => {
      assert.ok(hasCode(error, "damaged"));
      assert.match(error.message, /\/many cannot be restored whole: \d+ entries of it failed, the first because/);
      return Number(error.context["errors"]) > 1;
    });
    assert.deepEqual(namesIn(directory), []);
  });

  it("a full disk is said, and leaves nothing behind", async () => {
    const directory = place.at("small");
    fs.mkdirSync(directory);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", directory]);
    try {
      await assert.rejects(
        partOf(repository, snapshot).restore(bytes(source, "/many"), bytes(directory, "/copy")),
        (error) => hasCode(error, "no-space"),
      );
      assert.deepEqual(fs.readdirSync(directory), []);
      await partOf(repository, snapshot).restore(bytes(source, "/file"), bytes(directory, "/copy"));
      assert.equal(fs.readFileSync(join(directory, "copy"), "utf8"), "content");
    } finally {
      execFileSync("umount", ["--lazy", directory]);
    }
  });

  it("without root a folder that may not be written comes back, too", async () => {
    const directory = place.at("of nobody");
    const folder = place.at("read only");
    fs.mkdirSync(folder);
    fs.writeFileSync(join(folder, "file"), "content");
    execFileSync("chown", ["-R", "65534:65534", folder]);
    fs.chmodSync(folder, 0o555);
    await using open = await openRepository(place.at("of nobody's repository"), "create");
    const taken = await capture(open, [Buffer.from(folder)]);
    fs.mkdirSync(directory);
    fs.chownSync(directory, 65534, 65534);
    fs.chmodSync(place.directory, 0o755);
    execFileSync("chmod", ["-R", "a+rX", place.at("of nobody's repository")]);
    const run = runChild("of nobody's repository", taken.id, folder, join(directory, "copy"), 65534);
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(await factsOf(bytes(directory, "/copy")), await factsOf(bytes(folder)));
    assert.deepEqual(fs.readdirSync(directory), ["copy"]);
  });
});

describe("what a killed restore leaves", () => {
  it("R041: is found and removed, but not while its process lives", async () => {
    const directory = target();
    const child = spawn(
      process.execPath,
      childWords("repository", snapshot.id, `${source}/many`, below(directory, "copy")),
      {
        stdio: "ignore",
      },
    );
    const ended = once(child, "exit");
    const inside = (): number => namesIn(directory).flatMap((name) => namesIn(below(directory, name))).length;
    try {
      while (inside() === 0 && child.exitCode === null) await setTimeout(1);
      child.kill("SIGSTOP");
      assert.match(namesIn(directory)[0]!, /^\.holdfast-restore-\d+-/);
      assert.equal(await removeStaleStaging([directory], isRunning), 0);
    } finally {
      child.kill("SIGKILL");
      await ended;
    }
    assert.equal(namesIn(directory).length, 1);
    assert.equal(await removeStaleStaging([Buffer.from("/nowhere"), directory], isRunning), 1);
    assert.deepEqual(namesIn(directory), []);
  });

  it("is not what only looks like it", async () => {
    const directory = target();
    const dead = { ...ownIdentity(), startTicks: 1 };
    const fake = (): Buffer => below(directory, ownedName(".holdfast-restore-", dead));
    fs.mkdirSync(fake(), { mode: 0o755 });
    const foreign = fake();
    fs.mkdirSync(foreign, { mode: 0o700 });
    fs.chownSync(foreign, 1234, 1234);
    fs.symlinkSync(source, fake());
    fs.mkdirSync(below(directory, ".holdfast-restore-0123456789abcdef"), { mode: 0o700 });
    assert.equal(await removeStaleStaging([directory], isRunning), 0);
    assert.equal(namesIn(directory).length, 4);
  });
});

function childWords(repositoryName: string, id: string, path: string, copy: string | Buffer): string[] {
  const fixture = JSON.stringify(import.meta.resolve("./restoring-fixture.ts"));
  const code = `
    const { openRepository, partOf } = await import(${fixture});
    await using repository = await openRepository(${JSON.stringify(place.at(repositoryName))}, "open");
    const snapshot = (await repository.loadSnapshots()).snapshots.find(({ id }) => id === "${id}");
    const [path, copy] = ["${Buffer.from(path).toString("hex")}", "${Buffer.from(copy).toString("hex")}"];
    await partOf(repository, snapshot).restore(Buffer.from(path, "hex"), Buffer.from(copy, "hex"));`;
  const script = place.at(`child ${next++}.mjs`);
  fs.writeFileSync(script, code);
  return ["--no-warnings", script];
}

function runChild(
  repositoryName: string,
  id: string,
  path: string,
  copy: string,
  uid: number,
): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, childWords(repositoryName, id, path, copy), { encoding: "utf8", uid, gid: uid });
}
