// Counts what a restore did and tells the listener.
import { HoldfastError } from "../errors.ts";
import type { NodeType } from "../format/file-mode.ts";
import type { MetadataResult } from "./restore-metadata.ts";
import type { Counts, RestoreAction, RestoreEvent, RestoreSummary } from "./restore-request.ts";

export type Phase = Extract<RestoreEvent, { kind: "error" }>["during"];

function noCounts(): Counts {
  return { restored: 0, updated: 0, unchanged: 0, skipped: 0 };
}

export class RestoreReport {
  readonly #listener: (event: RestoreEvent) => void;
  readonly #files = noCounts();
  readonly #dirs = noCounts();
  readonly #others = noCounts();
  #deleted = 0;
  #bytesRestored = 0;
  #bytesSkipped = 0;
  #filesVerified = 0;
  #errors = 0;
  #ownersNotSet = 0;
  #socketsSkipped = 0;
  #done = 0;
  #found = { entries: 0, bytes: 0 };
  #estimate: { readonly entries: number; readonly bytes: number } | null;
  #totalsKnown = false;

  /** `estimate`: what the restore may come to, if that is known from the snapshot. */
  constructor(listener: (event: RestoreEvent) => void, estimate: { entries: number; bytes: number } | null) {
    this.#listener = listener;
    this.#estimate = estimate;
  }

  get errors(): number {
    return this.#errors;
  }

  /** An entry that takes part was met. */
  found(sizeBytes: number): void {
    this.#found.entries++;
    this.#found.bytes += sizeBytes;
  }

  allFound(): void {
    this.#estimate = this.#found;
    this.#totalsKnown = true;
    this.progress();
  }

  item(action: RestoreAction, type: NodeType, path: Buffer, sizeBytes: number): void {
    if (action === "deleted") this.#deleted++;
    else {
      this.#done++;
      const counts = type === "file" ? this.#files : type === "dir" ? this.#dirs : this.#others;
      counts[action]++;
      if (action === "unchanged" || action === "skipped") this.#bytesSkipped += sizeBytes;
    }
    this.#listener({ kind: "item", action, type, path, sizeBytes });
  }

  error(path: Buffer, during: Phase, error: HoldfastError): void {
    this.#errors++;
    this.#listener({ kind: "error", path, during, error });
  }

  /** What lies below a directory that has failed itself: missing, and said already. */
  missing(): void {
    this.#errors++;
  }

  written(bytes: number): void {
    this.#bytesRestored += bytes;
  }

  verified(): void {
    this.#filesVerified++;
  }

  ownersNotSet(count: number): void {
    this.#ownersNotSet += count;
  }

  socket(): void {
    this.#socketsSkipped++;
  }

  progress(): void {
    this.#listener({
      kind: "progress",
      filesDone: this.#done,
      filesTotal: this.#estimate?.entries ?? null,
      bytesDone: this.#bytesRestored + this.#bytesSkipped,
      bytesTotal: this.#estimate?.bytes ?? null,
      totalsKnown: this.#totalsKnown,
      errors: this.#errors,
    });
  }

  summary(durationMs: number): RestoreSummary {
    if (this.#ownersNotSet > 0) {
      const message = `${this.#ownersNotSet} entries belong to the user who restored them: only root may give files away`;
      this.#listener({ kind: "warning", message });
    }
    return {
      files: this.#files,
      dirs: this.#dirs,
      others: this.#others,
      deleted: this.#deleted,
      bytesRestored: this.#bytesRestored,
      bytesSkipped: this.#bytesSkipped,
      filesVerified: this.#filesVerified,
      errors: this.#errors,
      ownersNotSet: this.#ownersNotSet,
      socketsSkipped: this.#socketsSkipped,
      durationMs,
    };
  }

  metadata(path: Buffer, result: MetadataResult): void {
    for (const error of result.errors) this.error(path, "metadata", error);
    if (result.ownerRefused) this.ownersNotSet(1);
  }

  /** One entry less; a full target and the like end the restore: they are thrown on. */
  failed(path: Buffer, error: unknown): void {
    if (!(error instanceof HoldfastError)) throw error;
    if (["no-space", "interrupted", "storage", "internal"].includes(error.code)) throw error;
    this.error(path, error.code === "damaged" ? "read" : "write", error);
  }
}
