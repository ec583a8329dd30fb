// The state directory: what one host has to remember between runs, for its owner only.
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import { makePrivateDirectory } from "../filesystem/missing-parents.ts";
import type { FileOperations } from "./file-operations.ts";
import { exists, fileOperations } from "./file-operations.ts";
import { Journal } from "./journal.ts";
import { KnownPoints } from "./known-points.ts";
import { LazyDatabase } from "./lazy-database.ts";
import { Runs } from "./runs.ts";
import { StackLocks } from "./stack-locks.ts";
import { failure } from "./system-failure.ts";
import { VerifiedPacks } from "./verified-packs.ts";

export interface StateContext {
  readonly now: () => Date;
  /** Of this process: the directory must be its own. */
  readonly uid: number;
  readonly files?: FileOperations;
}

/**
 * Everything in it can be made anew: what must outlive the host is in the repositories. Several processes use it at
 * once. It must be left out of backups, see stack-locks.ts.
 */
export class StateDirectory implements Disposable {
  /** Absolute. */
  readonly path: string;
  readonly runs: Runs;
  readonly verifiedPacks: VerifiedPacks;
  readonly knownPoints: KnownPoints;
  readonly journal: Journal;
  readonly locks: StackLocks;
  /** Where the records of swaps are that can be undone. */
  readonly undoDirectory: string;
  readonly #database: LazyDatabase;

  private constructor(path: string, context: StateContext) {
    const files = context.files ?? fileOperations;
    this.path = path;
    this.#database = new LazyDatabase(join(path, "state.db"));
    this.runs = new Runs(this.#database, context);
    this.verifiedPacks = new VerifiedPacks(this.#database);
    this.knownPoints = new KnownPoints(this.#database);
    this.journal = new Journal(join(path, "journal"), { now: context.now, files });
    this.locks = new StackLocks(join(path, "locks"), context);
    this.undoDirectory = join(path, "undo");
  }

  /** Makes it when it is missing. Throws `permission` when it belongs to another user or others can look into it. */
  static async open(path: string, context: StateContext): Promise<StateDirectory> {
    const absolute = resolve(path);
    try {
      await makeDirectory(absolute);
      await requirePrivate(absolute, context.uid);
      for (const name of ["journal", "locks", "undo"]) await makeDirectory(join(absolute, name));
    } catch (error) {
      throw failure(error, `use the state directory ${absolute}`);
    }
    return new StateDirectory(absolute, context);
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }
}

/** Its name is on the disk too: a journal in a directory that a power cut takes away would be none. */
async function makeDirectory(path: string): Promise<void> {
  if (await exists(path)) return;
  makePrivateDirectory(path);
  await fileOperations.sync(dirname(path));
}

async function requirePrivate(path: string, uid: number): Promise<void> {
  const found = await stat(path);
  const refuse = (problem: string, hint: string): never => {
    throw new HoldfastError("permission", `the state directory ${path} ${problem}`, { hint, context: { path } });
  };
  if (!found.isDirectory()) refuse("is no directory", "move away what is there, or name another place");
  if (found.uid !== uid) {
    refuse(
      `belongs to the user ${found.uid}, and this process runs as ${uid}`,
      "run Holdfast as that user, or name another place",
    );
  }
  if ((found.mode & 0o077) !== 0) {
    refuse(
      `can be used by others (mode ${(found.mode & 0o777).toString(8)})`,
      `see who could have changed it, then run chmod 700 ${path}`,
    );
  }
}
