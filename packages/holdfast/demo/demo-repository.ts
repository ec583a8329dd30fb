// The repository of the demo: each step opens it afresh, by its address and its password alone.

import {
  backup,
  check,
  everyPath,
  HoldfastError,
  openStorage,
  parseLocation,
  Repository,
  RepositoryLock,
  restore,
  selectEverything,
  type BackupSummary,
  type Identity,
  type OpenOptions,
  type RestoreSummary,
} from "@holdfast/repository";
import { bytesOf, type RawPath } from "./raw-path.ts";

export interface DemoRepositoryParts {
  readonly path: string;
  readonly password: string;
  readonly identity: Identity;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly programVersion: string;
}

/** A share between 0 and 1, or null while it is not known. */
export type ShowShare = (share: number | null) => void;

export class DemoRepository {
  readonly #parts: DemoRepositoryParts;

  private constructor(parts: DemoRepositoryParts) {
    this.#parts = parts;
  }

  static async create(parts: DemoRepositoryParts): Promise<DemoRepository> {
    const made = new DemoRepository(parts);
    const repository = await Repository.create(made.#openOptions());
    await repository[Symbol.asyncDispose]();
    return made;
  }

  /** Everything below `from` becomes `/NAME` in the snapshot. Throws when any of it could not be read. */
  async backup(from: RawPath, parent: string | null, totalBytes: number, show: ShowShare): Promise<BackupSummary> {
    const { identity, now, signal, programVersion } = this.#parts;
    await using repository = await Repository.open(this.#openOptions());
    await using lock = await RepositoryLock.take(repository, { exclusive: false, retryForMs: 0, signal });
    const { snapshots } = await repository.loadSnapshots();
    const path = bytesOf(from);
    const problems: HoldfastError[] = [];
    const summary = await backup(
      repository,
      {
        entries: [{ kind: "files", from: path, at: path.subarray(path.lastIndexOf("/")) }],
        paths: [path.toString("utf8")],
        ...identity,
        tags: ["demo"],
        excludes: [],
        timeNs: BigInt(now().getTime()) * 1_000_000n,
        programVersion,
        parent: snapshots.find(({ id }) => id === parent) ?? null,
        selection: selectEverything,
        oneFileSystem: false,
        withAtime: false,
        dryRun: false,
        skipIfUnchanged: false,
        readBack: false,
        mayWrite: lock.settled,
        signal: AbortSignal.any([signal, lock.signal]),
      },
      (event) => {
        if (event.kind === "progress") show(event.bytesDone / Math.max(1, totalBytes));
        else if (event.kind === "error") problems.push(event.error);
      },
    );
    throwFirst(problems);
    return summary;
  }

  /** Throws when anything of it could not be restored. */
  async restore(snapshotId: string, target: RawPath, show: ShowShare): Promise<RestoreSummary> {
    const { signal } = this.#parts;
    await using repository = await Repository.open(this.#openOptions());
    await using lock = await RepositoryLock.take(repository, { exclusive: false, retryForMs: 0, signal });
    const { snapshots } = await repository.loadSnapshots();
    const snapshot = snapshots.find(({ id }) => id === snapshotId);
    if (snapshot === undefined)
      throw new HoldfastError("internal", `the snapshot ${snapshotId} is not in the repository`);
    const problems: HoldfastError[] = [];
    const summary = await restore(
      repository,
      {
        snapshot,
        subfolder: "/",
        target: bytesOf(target).toString("utf8"),
        rules: everyPath,
        overwrite: "always",
        delete: false,
        sparse: true,
        verify: false,
        dryRun: false,
        signal: AbortSignal.any([signal, lock.signal]),
      },
      (event) => {
        if (event.kind === "progress")
          show(event.bytesTotal === null ? null : event.bytesDone / Math.max(1, event.bytesTotal));
        else if (event.kind === "error") problems.push(event.error);
      },
    );
    throwFirst(problems);
    return summary;
  }

  /** Reads every byte that is stored. Throws when anything but a clean repository is found. */
  async check(show: ShowShare): Promise<{ readonly packs: number; readonly bytesRead: number }> {
    const { signal } = this.#parts;
    await using repository = await Repository.open(this.#openOptions());
    await using lock = await RepositoryLock.take(repository, { exclusive: true, retryForMs: 0, signal });
    await lock.settled;
    const report = await check(
      repository,
      { readData: true, signal: AbortSignal.any([signal, lock.signal]) },
      (event) => {
        if (event.kind === "progress") show(event.phase === "data" && event.total ? event.done / event.total : null);
      },
    );
    const [finding] = report.findings;
    if (report.verdict !== "clean") throw new HoldfastError("damaged", `the check found: ${finding?.message}`);
    return { packs: report.packs, bytesRead: report.bytesRead };
  }

  #openOptions(): OpenOptions {
    const { path, password, now, identity } = this.#parts;
    return { storage: openStorage(parseLocation(`local:${path}`)), password, now, identity };
  }
}

function throwFirst(problems: readonly HoldfastError[]): void {
  const [first] = problems;
  if (first !== undefined) throw first;
}
