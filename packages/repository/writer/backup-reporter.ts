// Tells a listener how a backup goes: progress at intervals, problems as they come.
import { HoldfastError } from "../errors.ts";
import { bytesOf } from "../filesystem/path.ts";
import type { BackupEvent, BackupRequest } from "./backup-request.ts";
import type { PathProblem } from "./messages.ts";
import type { SharedProgress } from "./progress.ts";

const progressEveryMs = 100;

/** Reports progress until it is disposed of, and once more then. */
export class BackupReporter implements Disposable {
  readonly #request: BackupRequest;
  readonly #counts: SharedProgress;
  readonly #listener: (event: BackupEvent) => void;
  readonly #timer: NodeJS.Timeout;
  #current: string | null = null;
  /** Problems so far: each is a path that is missing or doubtful in the snapshot. */
  errors = 0;

  constructor(request: BackupRequest, counts: SharedProgress, listener: (event: BackupEvent) => void) {
    this.#request = request;
    this.#counts = counts;
    this.#listener = listener;
    this.#timer = setInterval(() => this.#progress(), progressEveryMs);
  }

  problem({ path, during, code, message }: PathProblem): void {
    this.errors++;
    this.#listener({ kind: "error", path: bytesOf(path), during, error: new HoldfastError(code, message) });
  }

  socket(path: string): void {
    this.#listener({ kind: "skipped", path: bytesOf(path), reason: "socket" });
  }

  /** What is being looked at now, for the display. */
  entering(path: string): void {
    this.#current = path;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#progress();
  }

  #progress(): void {
    const before = this.#request.parent?.summary;
    this.#listener({
      kind: "progress",
      filesDone: this.#counts.read("files"),
      bytesDone: this.#counts.read("bytes"),
      filesTotal: before?.totalFilesProcessed ?? null,
      bytesTotal: before?.totalBytesProcessed ?? null,
      errors: this.errors,
      currentFiles: this.#current === null ? [] : [this.#current],
    });
  }
}
