// Whatever the order of the operations of several clients at once: what a snapshot needs is there, byte for byte.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import fc from "fast-check";
import { HoldfastError } from "../errors.ts";
import { check } from "../maintenance/check/check.ts";
import { copy } from "../maintenance/copy/copy.ts";
import { forgetSnapshots } from "../maintenance/forget/forget.ts";
import { planPrune } from "../maintenance/prune/plan-prune.ts";
import { applyPrune } from "../maintenance/prune/prune.ts";
import { here, SharedRepository } from "../store/lock-fixture.ts";
import type { Repository } from "../store/repository.ts";
import { RepositoryLock } from "../store/repository-lock.ts";
import { backUp, contentOf, nodesOf } from "../writer/backup-fixture.ts";
import type { Turn } from "./schedule-fixture.ts";
import { Schedule } from "./schedule-fixture.ts";

const isLong = process.env["HOLDFAST_LONG"] === "1";
const runs = isLong ? 150 : 3;
const clients = 3;
/** As many as a backup or a prune here makes in the storage, about. */
const mostOperations = 24;

/** Trees that share some of their files, so that what one client makes needless another one needs again. */
const contents = ["ab", "bc", "acd", "bde", "e"];

type Place = 0 | 1;
type Step =
  | { readonly kind: "backup"; readonly at: Place; readonly content: number }
  | { readonly kind: "forget"; readonly at: Place; readonly which: number; readonly thenPrune: boolean }
  | { readonly kind: "prune"; readonly at: Place }
  | { readonly kind: "copy"; readonly from: Place };

const place = fc.constantFrom<Place>(0, 0, 0, 0, 1);
const backsUp: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("backup" as const),
  at: place,
  content: fc.nat(contents.length - 1),
});
const cleansUp: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("forget" as const),
    at: place,
    which: fc.integer({ min: 1, max: 15 }),
    thenPrune: fc.constantFrom(true, true, false),
  }),
  fc.record({ kind: fc.constant("prune" as const), at: place }),
);
const copies: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("copy" as const),
  from: fc.constantFrom<Place>(0, 1),
});
const programOf = (step: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> => fc.array(step, { minLength: 1, maxLength: 3 });
const programs = fc.tuple(programOf(backsUp), programOf(cleansUp), programOf(fc.oneof(backsUp, cleansUp, copies)));
/** Short turns mix the clients; in long ones a client stands still while another one does all that it wants. */
const run: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({
    kind: fc.constant("run" as const),
    client: fc.nat(clients - 1),
    operations: fc.integer({ min: 1, max: 25 }),
    holds: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("run" as const),
    client: fc.nat(clients - 1),
    operations: fc.constant(150),
    holds: fc.constant(true),
  }),
);
const failure: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({ kind: fc.constant("die" as const), client: fc.nat(clients - 1) }),
  fc.constant<Turn>({ kind: "break" }),
);

const work = mkdtempSync(join(tmpdir(), "holdfast-interleaving-"));
before(() => {
  for (const names of contents) {
    mkdirSync(join(work, names));
    for (const name of names) writeFileSync(join(work, names, name), fileContent(name));
  }
});
after(() => rmSync(work, { recursive: true, force: true }));

function fileContent(name: string): Buffer {
  return createHash("shake256", { outputLength: 3000 }).update(name).digest();
}

/** What the clients did, as far as they were told that it is done. */
class Ledger {
  readonly made: [Set<string>, Set<string>] = [new Set(), new Set()];
  /** Removed, or perhaps: whoever is stopped meanwhile does not know. */
  readonly removing: [Set<string>, Set<string>] = [new Set(), new Set()];
  readonly outcomes: string[] = [];
}

/** One run of several clients; returns what became of their steps. */
async function runClients(steps: readonly (readonly Step[])[], turns: readonly Turn[]): Promise<Ledger> {
  const places = [await SharedRepository.make(), await SharedRepository.make()] as const;
  const ledger = new Ledger();
  for (const content of [0, 1, 2]) ledger.made[0].add(await backUpAlone(await places[0].open(), content));
  const schedule = new Schedule(() => {
    for (const each of places) each.timeMs += 31 * 60_000;
  });
  const open = (client: number, at: Place): Promise<Repository> =>
    places[at].open({ ...here, hostname: `host ${client}` }, schedule.storageOf(client, places[at].storage));
  const all = Promise.all(
    steps.map(async (own, client) => {
      for (const each of own) {
        const outcome = await perform(each, (at) => open(client, at), ledger).then(() => "done", codeOf);
        ledger.outcomes.push(`${client} ${each.kind} ${outcome}`);
      }
      schedule.end(client);
    }),
  );
  await schedule.run(endless(turns), all);
  for (const at of [0, 1] as const) await assertWhole(await places[at].open(), ledger, at);
  return ledger;
}

function* endless(turns: readonly Turn[]): Generator<Turn> {
  yield* turns;
  for (let client = 0; ; client = (client + 1) % clients) yield { kind: "run", client, operations: 10, holds: false };
}

/** As the command line does it, from opening to giving back the locks. */
async function perform(wanted: Step, open: (at: Place) => Promise<Repository>, ledger: Ledger): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const lock = async (repository: Repository, exclusive: boolean): Promise<RepositoryLock> => {
    const taken = stack.use(await RepositoryLock.take(repository, { exclusive, retryForMs: 0 }));
    if (exclusive) await taken.settled;
    return taken;
  };
  if (wanted.kind === "copy") return await copyAll(wanted.from, open, lock, ledger);
  const repository = await open(wanted.at);
  if (wanted.kind === "backup") {
    const { settled, signal } = await lock(repository, false);
    ledger.made[wanted.at].add(await backUpContent(repository, wanted.content, settled, signal));
    return;
  }
  const { signal } = await lock(repository, true);
  if (wanted.kind === "forget") {
    const { snapshots } = await repository.loadSnapshots();
    const chosen = snapshots.filter((_, position) => (wanted.which >> (position % 4)) & 1).map(({ id }) => id);
    for (const id of chosen) ledger.removing[wanted.at].add(id);
    await forgetSnapshots(repository, chosen, { signal });
    if (!wanted.thenPrune) return;
  }
  const plan = await planPrune(
    repository,
    { maxUnused: { kind: "bytes", bytes: 0 }, workers: 1, signal },
    () => undefined,
  );
  await applyPrune(repository, plan, () => undefined);
}

async function copyAll(
  from: Place,
  open: (at: Place) => Promise<Repository>,
  lock: (repository: Repository, exclusive: boolean) => Promise<RepositoryLock>,
  ledger: Ledger,
): Promise<void> {
  const to: Place = from === 0 ? 1 : 0;
  const [source, destination] = [await open(from), await open(to)];
  const locks = [await lock(source, false), await lock(destination, false)];
  const { snapshots } = await source.loadSnapshots();
  const mayWrite = Promise.all(locks.map(({ settled }) => settled)).then(() => undefined);
  mayWrite.catch(() => undefined);
  const signal = AbortSignal.any(locks.map((each) => each.signal));
  await copy(source, destination, { snapshots, mayWrite, signal, workers: 1 }, (event) => {
    if (event.kind === "copied") ledger.made[to].add(event.as);
    // With what it needs kept by the lock, nothing that is copied can be missing.
    if (event.kind === "failed" && !signal.aborted) throw event.error;
  });
}

async function backUpAlone(repository: Repository, content: number): Promise<string> {
  await using lock = await RepositoryLock.take(repository, { exclusive: false, retryForMs: 0 });
  return await backUpContent(repository, content, lock.settled, lock.signal);
}

/** The host of the snapshot tells what must be in it, wherever it is copied. */
async function backUpContent(
  repository: Repository,
  content: number,
  mayWrite: Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  const names = contents[content]!;
  const summary = await backUp(repository, join(work, names), { hostname: names, mayWrite, signal, workers: 1 });
  return summary.snapshotId ?? assert.fail("no snapshot");
}

/** Every snapshot is whole, what was made and not forgotten is there, and there is no damage. */
async function assertWhole(repository: Repository, ledger: Ledger, at: Place): Promise<void> {
  const { snapshots, damaged } = await repository.loadSnapshots();
  assert.deepEqual(damaged, []);
  const present = new Set(snapshots.map(({ id }) => id));
  for (const id of ledger.made[at]) assert.ok(present.has(id) || ledger.removing[at].has(id), `${id} is gone`);
  for (const { tree, hostname } of snapshots) {
    const files = [...(await nodesOf(repository, tree))].filter(([, { type }]) => type === "file");
    assert.deepEqual(
      files.map(([path]) => path).toSorted(),
      [...hostname].map((name) => `/data/${name}`),
    );
    for (const [path, node] of files)
      assert.ok((await contentOf(repository, node)).equals(fileContent(path.at(-1)!)), `${hostname}${path} differs`);
  }
  const { findings } = await check(repository, { readData: true, workers: 1 }, () => undefined);
  assert.deepEqual(
    findings.filter(({ severity }) => severity === "error"),
    [],
  );
}

/** What a client may meet: others, and what the schedule does to it. Anything else is a defect. */
function codeOf(error: unknown): string {
  const first = error instanceof SuppressedError ? error.error : error;
  if (first instanceof HoldfastError && ["locked", "interrupted", "storage"].includes(first.code)) return first.code;
  throw error;
}

/** Prints the seed, and fails when nearly everything was refused: it would prove nothing. */
async function assertProperty(
  context: TestContext,
  turns: fc.Arbitrary<Turn[]>,
  allowed: readonly string[],
): Promise<void> {
  const outcomes: string[] = [];
  const seed = Date.now() % 2 ** 31;
  context.diagnostic(`seed ${seed}`);
  const property = fc.asyncProperty(programs, turns, async (steps, order) => {
    const ledger = await runClients(steps, order);
    outcomes.push(...ledger.outcomes);
    for (const outcome of ledger.outcomes) assert.ok(allowed.includes(outcome.split(" ")[2]!), outcome);
  });
  await fc.assert(property, { seed, numRuns: runs, endOnFailure: true });
  const done = outcomes.filter((outcome) => outcome.endsWith(" done")).length;
  context.diagnostic(`${done} of ${outcomes.length} steps were done`);
  assert.ok(done > outcomes.length / 8);
}

/** The second client does all that it wants after so many operations of the first: for each number that matters. */
async function atAnyMoment(context: TestContext, first: Step, second: Step): Promise<void> {
  const apart = isLong ? 1 : 4;
  const offset = Date.now() % apart;
  context.diagnostic(`every ${apart}th operation from number ${offset + 1}`);
  const counts = { done: 0, refused: 0 };
  for (let before = 1 + offset; before <= mostOperations; before += apart) {
    const { outcomes } = await runClients(
      [[first], [second], []],
      [
        { kind: "run", client: 0, operations: before, holds: true },
        { kind: "run", client: 1, operations: 1000, holds: true },
      ],
    );
    for (const outcome of outcomes) counts[outcome.endsWith(" done") ? "done" : "refused"]++;
  }
  assert.ok(counts.done >= mostOperations / apart && counts.refused > 0, JSON.stringify(counts));
}

describe("several clients at once", () => {
  const backup: Step = { kind: "backup", at: 0, content: 3 };
  /** It removes the only snapshot that has a file of the backup. */
  const prune: Step = { kind: "forget", at: 0, which: 4, thenPrune: true };

  test("a prune at any moment of a backup leaves what it needs", (context) => atAnyMoment(context, backup, prune));

  test("a backup at any moment of a prune keeps what it needs", (context) => atAnyMoment(context, prune, backup));

  test("never take from each other what a snapshot needs, in any order of their operations", (context) =>
    assertProperty(context, fc.array(run, { minLength: 5, maxLength: 20 }), ["done", "locked"]));

  test("nor when some of them die, or sleep until their locks are stale", (context) =>
    assertProperty(
      context,
      fc.array(fc.oneof({ weight: 15, arbitrary: run }, { weight: 1, arbitrary: failure }), {
        minLength: 20,
        maxLength: 80,
      }),
      ["done", "locked", "interrupted", "storage"],
    ));
});
