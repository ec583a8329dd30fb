// `holdfast prune`: removes what no plan keeps and nothing else, says why, and does so again after any kill.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { agePoint, copyPoint, noonDaysAgo } from "./support/aged-points.ts";
import { forgeLock } from "./support/forged-snapshots.ts";
import { killAtRandom } from "./support/killing.ts";
import { expectStatus, isLong, message, run, type Outcome } from "./support/programs.ts";
import { RestServer } from "./support/rest-server.ts";
import { noise } from "./support/sample-tree.ts";
import { forgedPoint, linesOf, type Json } from "./support/stack-points.ts";
import { StackPlace } from "./support/stack-place.ts";

/** A stack of files, with two plans: what they store is different each time, and half of it the same. */
class PrunedPlace extends StackPlace {
  /** What each point holds, by its id. */
  readonly contents = new Map<string, ReadonlyMap<string, Buffer>>();
  readonly #data = this.at("data");
  #number = 0;

  constructor(name: string) {
    super(name);
    mkdirSync(this.#data);
    Object.keys(this.sources).forEach((each) => delete this.sources[each]);
    this.sources["data"] = { files: [this.#data] };
  }

  plans(daily: object | null, weekly: object | null): void {
    const to = (keep: object | null): object => ({ to: { local: keep === null ? {} : { keep } } });
    const plans = { daily: to(daily), weekly: to(weekly) };
    this.configure(this.sources, {}, { app: { sources: this.sources, plans } });
  }

  /** A good point of that many days ago, with content of its own; its id. */
  async aged(days: number): Promise<string> {
    const files = new Map<string, Buffer>();
    const number = ++this.#number;
    for (const part of ["common", `own ${number}`]) files.set(part, noise(part, 150_000));
    rmSync(this.#data, { recursive: true });
    mkdirSync(this.#data);
    for (const [name, bytes] of files) writeFileSync(path.join(this.#data, name), bytes);
    const made = message(this.ends(0, "backup", "app/daily", "--json"), "summary");
    const id = await agePoint(this.repository, String(made["snapshot_id"]), { time: noonDaysAgo(days) });
    this.contents.set(id, files);
    return id;
  }

  /** Another point with the content of this one; its id. */
  async copy(id: string, days: number, { plan = "daily", hostname = "" } = {}): Promise<string> {
    const tags = ["holdfast", "stack:app", `plan:${plan}`];
    const change = { time: noonDaysAgo(days), tags, ...(hostname === "" ? {} : { hostname }) };
    const copied = await copyPoint(this.repository, id, change);
    this.contents.set(copied, this.contents.get(id) ?? assert.fail());
    return copied;
  }

  /** What the only source is for this time: away, and the run fails. Nothing is stored then. */
  fails(): void {
    renameSync(this.#data, `${this.#data}.away`);
    this.ends(1, "backup", "app/daily");
    renameSync(`${this.#data}.away`, this.#data);
  }

  /** The point comes back byte for byte. */
  comesBack(id: string): void {
    const target = this.at("back", id);
    this.done("restore", id, "--target", target, "--quiet");
    for (const [name, bytes] of this.contents.get(id) ?? assert.fail(`nobody knows what is in ${id}`))
      assert.ok(readFileSync(path.join(target, "data", this.#data, name)).equals(bytes), `${name} of ${id}`);
    rmSync(target, { recursive: true });
  }

  /** Ids of all snapshots, without asking a program. */
  ids(): string[] {
    return this.storeFiles("snapshots").map(({ path: file }) => path.basename(file));
  }

  /** What was decided of each point. */
  decisions(outcome: Outcome): Map<string, { action: string; reasons: string[] }> {
    const [{ repositories: [only] } = { repositories: [] }] = linesOf(outcome, "stack_prune") as {
      repositories: { recovery_points: { id: string; action: string; reasons: string[] }[] }[];
    }[];
    assert.ok(only, outcome.stderr);
    return new Map(only.recovery_points.map(({ id, action, reasons }) => [id, { action, reasons }]));
  }

  halts(outcome: Outcome): Json[] {
    const [{ repositories: [only] } = { repositories: [] }] = linesOf(outcome, "stack_prune") as {
      repositories: { halted: Json[] }[];
    }[];
    return only?.halted ?? assert.fail(outcome.stderr);
  }

  lastRun(): Json {
    return linesOf(this.ends(0, "runs", "app", "--json", "--limit", "1"), "run").at(-1) ?? assert.fail("no run");
  }

  record(): { proofs: Json[]; pins: Json[]; holds: Json[] } {
    const words = ["dump", "latest", "/record.json", "--tag", "record:app"];
    return JSON.parse(this.done(...words).stdout.toString()) as ReturnType<PrunedPlace["record"]>;
  }
}

describe("prune", () => {
  const place = new PrunedPlace("stack-prune");
  const ids: Record<string, string> = {};
  let foreign = "";
  before(async () => {
    place.environment["RESTIC_PASSWORD"] = "three words and 7 numbers";
    place.init();
    place.plans({ daily: 2 }, { weekly: 1 });
    foreign = place.resticBackup("restic", "--host", "elsewhere", place.at("data")).snapshotId;
    ids["provenOnce"] = await place.aged(38);
    place.ends(0, "drill", "app");
    ids["proven"] = await place.aged(37);
    place.ends(0, "drill", "app");
    const { provenOnce = "", proven = "" } = ids;
    ids["pinned"] = await place.copy(provenOnce, 40);
    place.ends(0, "pin", ids["pinned"], "--note", "before the upgrade");
    ids["held"] = await place.copy(provenOnce, 39);
    place.ends(0, "hold", ids["held"], "--until", "2999-01-31");
    ids["otherHost"] = await place.copy(proven, 36, { hostname: "elsewhere" });
    ids["oldWeekly"] = await place.copy(proven, 30, { plan: "weekly" });
    ids["newWeekly"] = await place.copy(proven, 20, { plan: "weekly" });
    ids["fourth"] = await place.aged(4);
    ids["third"] = await place.copy(proven, 3);
    ids["second"] = await place.copy(proven, 2);
    ids["newest"] = await place.aged(1);
    // Of a version that this program does not know.
    const forged = forgedPoint(place, ids["pinned"], (folder) => {
      const file = path.join(folder, "holdfast.json");
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), version: "9.0" }));
    });
    ids["unknown"] = await agePoint(place.repository, forged, { time: noonDaysAgo(10) });
  });
  after(() => place[Symbol.dispose]());

  const removed = ["provenOnce", "oldWeekly", "fourth", "third"];

  it("R148, R404: --dry-run shows of each recovery point what would be done and why, and changes nothing", () => {
    const files = (): string[] => place.storeFiles().flatMap(({ name }) => (name.startsWith("locks/") ? [] : [name]));
    const before = files();
    // R148: age is what is recorded, whatever the times of files say.
    for (const { path: file } of place.storeFiles("snapshots")) utimesSync(file, 1_000_000_000, 1_000_000_000);
    const outcome = place.ends(0, "prune", "--dry-run", "--json");
    const decisions = place.decisions(outcome);
    const reasons = (name: string): string => decisions.get(ids[name]!)?.reasons.join(", ") ?? "no decision";
    assert.equal(decisions.size, Object.keys(ids).length);
    for (const [name, id] of Object.entries(ids))
      assert.equal(decisions.get(id)?.action, removed.includes(name) ? "remove" : "keep", `${name}: ${reasons(name)}`);
    assert.equal(reasons("pinned"), "pinned: before the upgrade");
    assert.equal(reasons("held"), "held until 2999-01-31");
    assert.equal(reasons("proven"), "the last proven one");
    assert.equal(reasons("otherHost"), "it was made on the host elsewhere");
    assert.equal(reasons("newWeekly"), "weekly snapshot, the last good one of the plan weekly");
    assert.equal(reasons("second"), "daily snapshot");
    assert.equal(reasons("newest"), "daily snapshot, the last good one of the plan daily");
    assert.match(reasons("unknown"), /^it cannot be read: .*version 9\.0/);
    assert.equal(reasons("fourth"), "no rule of the plan daily keeps it");
    const { bytes } = message(outcome, "repository_prune") as { bytes: { remove_total: number } };
    assert.ok(bytes.remove_total > 0);
    const text = place.ends(0, "prune", "app", "--dry-run").stdout.toString();
    assert.match(text, new RegExp(`app in local: 8 recovery points kept, ${removed.length} to be removed`));
    assert.match(text, /pinned: before the upgrade/);
    assert.deepEqual(files(), before);
    assert.equal(place.lastRun()["operation"], "backup", "a dry run is no run");
  });

  it("R139, R149, R412: removes just these, and says so; what is left comes back, and nothing else was touched", () => {
    const bytes = place.storeBytes();
    const outcome = place.ends(0, "prune", "--json");
    const gone = removed.map((name) => ids[name]!);
    const kept = Object.entries(ids).flatMap(([name, id]) => (removed.includes(name) ? [] : [id]));
    const [line] = linesOf(outcome, "stack_prune") as { repositories: { removed: string[] }[] }[];
    assert.deepEqual(line?.repositories[0]?.removed.toSorted(), gone.toSorted());
    const left = new Set(place.ids());
    assert.ok(gone.every((id) => !left.has(id)));
    assert.ok(kept.every((id) => left.has(id)));
    assert.ok(left.has(foreign), "another program's snapshot");
    assert.equal(left.size, kept.length + 2, "and the record");
    assert.ok(place.storeBytes() < bytes - 100_000, "their data is gone");
    const ran = place.lastRun();
    assert.deepEqual([ran["operation"], ran["outcome"], ran["exit_code"]], ["prune", "good", 0]);
    assert.deepEqual((ran["snapshot_ids"] as string[]).toSorted(), gone.toSorted());
    assert.equal((ran["counts"] as Json)["removed"], gone.length);
    for (const name of ["pinned", "proven", "newest"]) place.comesBack(ids[name]!);
    assert.equal(place.check("--read-data").verdict, "clean");
    place.resticChecks();
  });

  it("leaves nothing in the record of what is gone, and all of what is there", () => {
    const { proofs, pins, holds } = place.record();
    const living = (entries: Json[]): Json[] => entries.filter((entry) => entry["removedAt"] === null);
    assert.equal(proofs.length, 2);
    assert.equal(living(proofs).length, 1, "the proof of the point that is gone is a tombstone");
    assert.equal(living(pins).length, 1);
    assert.equal(living(holds).length, 1);
  });

  it("R151: and `repo forget` leaves records, pins and holds alone, and refuses them by name", () => {
    const before = place.ids();
    for (const name of ["pinned", "held"]) {
      const outcome = expectStatus(place.holdfast(["forget", ids[name]!]), 1);
      assert.match(outcome.stderr, new RegExp(`is ${name}[^]*holdfast pin --remove`));
    }
    const outcome = place.done("forget", "--keep-last", "1", "--group-by", "", "--dry-run", "--json");
    assert.match(outcome.stderr, /left out.*pinned or held: 3 snapshots/);
    const [{ remove } = { remove: [] }] = JSON.parse(outcome.stdout.toString()) as { remove: Json[] }[];
    assert.equal(remove.length, before.length - 3 - 1);
    assert.deepEqual(place.ids(), before);
  });

  it("finds nothing to do when it is done, and misses nothing afterwards", () => {
    const before = place.storeFiles("snapshots");
    const text = place.ends(0, "prune").stdout.toString();
    assert.match(text, /8 recovery points kept, 0 removed/);
    assert.deepEqual(place.storeFiles("snapshots"), before);
    const outcome = place.verb(["check", "app", "--json"]);
    assert.doesNotMatch(outcome.stdout.toString(), /are gone|is gone/);
  });
});

describe("prune of a stack that is suspicious", () => {
  const place = new PrunedPlace("stack-prune-halt");
  let old = "";
  let newest = "";
  before(async () => {
    place.environment["RESTIC_PASSWORD"] = "three words and 7 numbers";
    place.init();
    place.plans({ last: 1 }, null);
    newest = await place.aged(1);
    old = await place.copy(newest, 9);
  });
  after(() => place[Symbol.dispose]());

  /** It ends with 3, names the reason and the remedy, and removes nothing, data neither. */
  function halts(reason: RegExp, remedy: RegExp): void {
    const before = place.storeFiles("data").length;
    const outcome = place.ends(3, "prune", "--json");
    const halted = place.halts(outcome);
    assert.match(halted.map((each) => each["message"]).join("; "), reason);
    assert.match(halted.map((each) => each["hint"]).join("; "), remedy);
    assert.equal(place.decisions(outcome).get(old)?.reasons[0], "nothing is removed for now");
    assert.ok(place.ids().includes(old));
    assert.equal(place.storeFiles("data").length, before);
    const ran = place.lastRun();
    assert.deepEqual([ran["operation"], ran["outcome"], ran["exit_code"]], ["prune", "partial", 3]);
    assert.match(place.ends(3, "prune").stdout.toString(), /nothing is removed: .*\n {4}→ /);
  }

  it("R064, B10: because its last backup failed, however often", () => {
    for (let turn = 0; turn < 2; turn++) place.fails();
    halts(/its last backup failed/, /run `holdfast backup app`/);
  });

  it("because its newest recovery point is partial", async () => {
    place.sources["more"] = { files: [place.write("more/file", "more")] };
    place.plans({ last: 1 }, null);
    rmSync(place.at("more"), { recursive: true });
    const made = message(place.ends(1, "backup", "app/daily", "--json"), "summary");
    halts(/its newest recovery point, .{8}, is partial/, /holdfast status app/);
    delete place.sources["more"];
    place.plans({ last: 1 }, null);
    await agePoint(place.repository, String(made["snapshot_id"]), { time: noonDaysAgo(2) });
    newest = await place.aged(0);
  });

  it("because a recovery point that this host knew has vanished", async () => {
    const file = path.join(place.repository, "snapshots", newest);
    renameSync(file, place.at("vanished"));
    halts(/is gone from local, and nobody here removed/, /--accept-vanished/);
    renameSync(place.at("vanished"), file);
  });

  it("because a file of a snapshot cannot be read: it may be one of the stack, or hold its pins", async () => {
    const file = path.join(place.repository, "snapshots", "0".repeat(64));
    writeFileSync(file, "no snapshot");
    const outcome = place.ends(1, "prune", "--json");
    assert.match(outcome.stdout.toString(), /the snapshot 0{64} cannot be read/);
    assert.ok(place.ids().includes(old));
    rmSync(file);
  });

  it("and removes nothing where data of what is to stay is missing", async () => {
    const packs = place.storeFiles("data");
    for (const { path: file } of packs) renameSync(file, place.at(path.basename(file)));
    const outcome = place.ends(1, "prune");
    assert.match(outcome.stdout.toString(), /local was not cleaned up: .*damaged[^]*→ /);
    for (const { path: file } of packs) renameSync(place.at(path.basename(file)), file);
    assert.ok(place.ids().includes(old));
  });

  it("and goes on after a good backup", async () => {
    place.ends(0, "backup", "app/daily");
    const outcome = place.ends(0, "prune", "--json");
    assert.equal(place.decisions(outcome).get(old)?.action, "remove");
    assert.ok(!place.ids().includes(old));
    assert.equal(place.ids().length, 1);
  });

  it("knows its stacks, and waits for nobody who holds the repository", async () => {
    assert.match(place.ends(2, "prune", "ap").stderr, /app/);
    await forgeLock(place.repository, false);
    assert.match(place.ends(11, "prune").stdout.toString(), /locked/);
    place.ends(0, "prune", "--dry-run");
  });
});

describe("prune of a repository with more than one stack", () => {
  const place = new PrunedPlace("stack-prune-shared");
  const stateFile = path.join(place.stateDirectory, "state.db");
  let other = "";
  let newest = "";
  before(async () => {
    place.environment["RESTIC_PASSWORD"] = "three words and 7 numbers";
    place.write("other/file", "other");
    place.init();
    configure({});
    other = String(message(place.ends(0, "backup", "other", "--json"), "summary")["snapshot_id"]);
    await place.aged(9);
    newest = await place.aged(1);
  });
  after(() => place[Symbol.dispose]());

  function configure({ url = place.repository, withOther = true }: { url?: string; withOther?: boolean }): void {
    const plans = { daily: { to: { local: { keep: { last: 1 } } } } };
    const stacks = { other: { sources: { more: { files: [place.at("other")] } }, plans } };
    const more = { repositories: { local: { url, password_file: place.passwordFile } } };
    place.configure(place.sources, more, { app: { sources: place.sources, plans }, ...(withOther ? stacks : {}) });
  }

  const packs = (): string[] => place.storeFiles("data").map(({ name }) => name);

  /** Runs it without this file, then puts it back. */
  function without(file: string, work: () => void): void {
    const away = place.at(`away ${path.basename(file)}`);
    renameSync(file, away);
    try {
      work();
    } finally {
      rmSync(file, { force: true, recursive: true });
      renameSync(away, file);
    }
  }

  /** `prune app` ends with 3, leaves the data alone, and says why. */
  function leavesData(reason: RegExp): Outcome {
    const before = packs();
    const outcome = place.ends(3, "prune", "app", "--json");
    const { bytes, halted } = message(outcome, "repository_prune") as { bytes: unknown; halted: Json[] };
    assert.equal(bytes, null);
    assert.match(halted.map((halt) => `${String(halt["stack"])}: ${String(halt["message"])}`).join("\n"), reason);
    assert.deepEqual(packs(), before);
    return outcome;
  }

  const removedBy = (outcome: Outcome): string[] =>
    (message(outcome, "stack_prune") as { repositories: { removed: string[] }[] }).repositories[0]?.removed ?? [];

  it("leaves the data alone while points of another stack are missing, in the configuration or not", async () => {
    const file = path.join(place.repository, "snapshots", other);
    without(file, () => {
      assert.equal(
        removedBy(leavesData(/^other: .*is gone from local/)).length,
        1,
        "of its own it removes what is to go",
      );
      const text = place.ends(3, "prune", "app").stdout.toString();
      assert.match(text, /local: its data was left alone, for a stack in it is halted: other\n {2}other: .*\n {4}→ /);
      configure({ withOther: false });
      leavesData(/^other: .*is gone from local/);
    });
    configure({});
    place.ends(0, "prune", "app");
    assert.equal(place.check("--read-data").verdict, "clean");
  });

  it("removes nothing when what this host remembers cannot be read", async () => {
    const old = await place.copy(newest, 9);
    without(stateFile, () => {
      writeFileSync(stateFile, "no database".repeat(1000));
      assert.deepEqual(removedBy(leavesData(/app: the state of this host cannot be read/)), []);
    });
    assert.ok(place.ids().includes(old));
  });

  it("removes no proof of what has vanished", () => {
    place.ends(0, "drill", "app");
    without(path.join(place.repository, "snapshots", newest), () => void leavesData(/^app: .*is gone from local/));
    assert.deepEqual(
      place.record().proofs.map(({ snapshotId, removedAt }) => [snapshotId, removedAt]),
      [[newest, null]],
    );
  });

  it("removes nothing while a pack was damaged when it was last read, whatever a plain check says", () => {
    // The largest holds content of files, which only reading all data looks at.
    const bySize = place.storeFiles("data").toSorted((a, b) => b.sizeBytes - a.sizeBytes);
    const { path: file } = bySize[0] ?? assert.fail("no pack");
    const broken = readFileSync(file);
    broken[8]! ^= 1;
    without(file, () => {
      writeFileSync(file, broken);
      place.ends(1, "check", "app", "--read-data");
      place.ends(0, "check", "app");
      leavesData(/app: the pack .{8} of local was damaged when it was last read/);
    });
    place.ends(0, "check", "app", "--read-data");
    place.ends(0, "prune", "app", "--dry-run");
  });

  it("says so when the storage lets nobody remove a snapshot", async () => {
    const old = await place.copy(newest, 8);
    await using server = await RestServer.start(place.directory, "--append-only");
    configure({ url: server.address("repository") });
    const outcome = leavesData(/^$/);
    const [{ failed } = assert.fail()] = message(outcome, "stack_prune")["repositories"] as { failed: Json[] }[];
    configure({});
    assert.ok(failed.some(({ id }) => id === old));
    assert.deepEqual(new Set(failed.map((each) => each["error_code"])), new Set(["refused"]));
    assert.deepEqual(new Set(removedBy(place.ends(0, "prune", "app", "--json"))), new Set(failed.map(({ id }) => id)));
  });

  it("removes no data of a repository in which all snapshots are missing", () => {
    without(place.at("state"), () =>
      without(path.join(place.repository, "snapshots"), () => {
        mkdirSync(path.join(place.repository, "snapshots"));
        leavesData(/app: the repository local has data and no snapshot/);
      }),
    );
  });
});

/** With modes, in the place of what is there. */
function copyTree(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  expectStatus(run("cp", ["-a", from, to]), 0);
}

const kills = isLong ? 60 : 4;
describe("prune that is killed", () => {
  const place = new PrunedPlace("stack-prune-kill");
  const kept: string[] = [];
  let all: string[] = [];
  let tookMs = 0;
  before(async () => {
    place.environment["RESTIC_PASSWORD"] = "three words and 7 numbers";
    place.init();
    place.plans({ last: 2 }, { last: 1 });
    const first = await place.aged(20);
    for (const days of [9, 8, 7, 6]) await place.copy(first, days);
    for (const days of [5, 4]) await place.aged(days);
    kept.push(await place.copy(first, 19, { plan: "weekly" }), await place.aged(3), await place.aged(2));
    place.ends(0, "pin", first);
    kept.push(first);
    // Recorded of one that is to go.
    place.ends(0, "hold", place.ids().find((id) => !kept.includes(id) && place.contents.has(id)) ?? "");
    place.ends(0, "hold", "--remove", place.ids().find((id) => !kept.includes(id) && place.contents.has(id)) ?? "");
    all = place.ids();
    copyTree(place.at("repository"), place.at("base repository"));
    copyTree(place.at("state"), place.at("base state"));
    const started = performance.now();
    place.ends(0, "prune");
    tookMs = performance.now() - started;
  });
  after(() => place[Symbol.dispose]());

  it(`${kills} times, loses nothing that stays, and the next one finishes`, async () => {
    let killed = 0;
    let between = 0;
    for (let turn = 0; turn < kills; turn++) {
      copyTree(place.at("base repository"), place.at("repository"));
      copyTree(place.at("base state"), place.at("state"));
      const running = place.startVerb(["prune"]);
      const { outcome, waitMs } = await killAtRandom(running, tookMs / 2, () => place.isLocked());
      if (outcome.signal === "SIGKILL") killed++;
      const why = `turn ${turn}, killed after ${waitMs} ms`;
      const left = place.ids();
      if (left.length < all.length && left.some((id) => !kept.includes(id) && place.contents.has(id))) between++;
      assert.ok(
        kept.every((id) => left.includes(id)),
        why,
      );
      assert.ok(
        left.every((id) => all.includes(id) || !place.contents.has(id)),
        why,
      );
      assert.notEqual(place.check("--read-data").verdict, "damaged", why);
      place.comesBack(kept[turn % kept.length]!);
      place.ends(0, "prune");
      const points = place.ids().filter((id) => all.includes(id) && place.contents.has(id));
      assert.deepEqual(points, kept.toSorted(), why);
      const { verdict, findings } = place.check("--read-data");
      assert.equal(verdict, "clean", `${why}: ${JSON.stringify(findings)}`);
    }
    place.ends(0, "check");
    for (const id of kept) place.comesBack(id);
    place.resticChecks();
    assert.ok(killed > kills / 3, `only ${killed} of ${kills} were killed in time (${between} amid the removing)`);
  });
});
