// For the tests of restoring: a stack's snapshot of one source, and everything about a tree as one value.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  backup,
  openLibc,
  openStorage,
  parseLocation,
  Repository,
  selectEverything,
  type RestoreEvent,
  type StoredSnapshot,
} from "@holdfast/repository";
import { rawPath } from "../filesystem/raw-path.ts";
import { readTreeFacts } from "../demo/tree-facts.ts";
import { StoredPart } from "./snapshot-part.ts";

const identity = { hostname: "test", username: "root", uid: 0, gid: 0, pid: process.pid };
export const sourceName = "uploads";

/** A folder of its own that is removed in the end. */
export class Workplace implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "holdfast-restoring-"));

  at(...names: string[]): string {
    return join(this.directory, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function openRepository(directory: string, how: "create" | "open"): Promise<Repository> {
  const storage = openStorage(parseLocation(directory));
  return Repository[how]({ storage, password: "x", now: () => new Date(), identity });
}

/** Paths (raw bytes) captured as a stack does it: below a directory with the name of the source. */
export async function capture(repository: Repository, paths: readonly Buffer[]): Promise<StoredSnapshot> {
  const summary = await backup(
    repository,
    {
      entries: paths.map((path) => ({
        kind: "files",
        from: path,
        at: Buffer.concat([Buffer.from(`/${sourceName}`), path]),
        selection: selectEverything,
      })),
      paths: ["/stack"],
      hostname: "test",
      username: "root",
      uid: 0,
      gid: 0,
      tags: [],
      excludes: [],
      timeNs: BigInt(Date.now()) * 1_000_000n,
      programVersion: "test",
      parent: null,
      oneFileSystem: false,
      withAtime: false,
      dryRun: false,
      skipIfUnchanged: false,
      readBack: false,
      mayWrite: Promise.resolve(),
    },
    (event) => assert.notEqual(event.kind, "error", JSON.stringify(event)),
  );
  const found = (await repository.loadSnapshots()).snapshots.find(({ id }) => id === summary.snapshotId);
  assert.ok(found);
  return found;
}

export function partOf(
  repository: Repository,
  snapshot: StoredSnapshot,
  signal: AbortSignal = new AbortController().signal,
  listener: (event: RestoreEvent) => void = () => undefined,
): StoredPart {
  return new StoredPart(repository, snapshot, sourceName, { signal, listener });
}

/** Raw bytes from text and bytes. */
export function bytes(...parts: (string | Buffer | number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));
}

/** All that a restore has to bring back, the entry itself included; by path below it. */
export async function factsOf(path: Buffer): Promise<Map<string, unknown>> {
  const facts = await readTreeFacts(rawPath(path), openLibc(), new AbortController().signal);
  return new Map([...facts].map(([name, { identity: _identity, ...kept }]) => [name, kept]));
}
