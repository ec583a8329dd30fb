// One source in the course of a backup: from the first look at it to what the manifest says of it.
import { HoldfastError, type BackupEntry } from "@holdfast/repository";
import type { OpenSource, SourceContext, SourceEntry, SourceKind, Witnessed } from "@holdfast/sources";

/** A source as the configuration describes it, its kind looked up. */
export interface StackSource {
  readonly name: string;
  readonly kind: SourceKind<unknown>;
  readonly options: unknown;
  /** May be absent: that is recorded, and the backup is good all the same. */
  readonly optional: boolean;
  /** What is a warning for others is a failure for this one. */
  readonly critical: boolean;
}

/** `skipped`: optional and not there. `partial`: stored, but for what `errors` name. `failed`: not to be relied on. */
export type SourceOutcome = "good" | "partial" | "failed" | "skipped";

/** At most so many errors of one source go into the manifest; the rest is counted. */
const recordedErrors = 100;

export class SourceCapture implements AsyncDisposable {
  readonly source: StackSource;
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  errorCount = 0;
  /** Why the source was skipped or has failed. */
  reason: string | null = null;
  #open: OpenSource | null = null;
  #skipped = false;
  #witness: Promise<Witnessed> | null = null;
  #witnessed: Witnessed | null = null;
  #closing: Promise<void> | null = null;
  #streamsLeft = 0;
  #bytes = 0;

  constructor(source: StackSource) {
    this.source = source;
  }

  /** The first look, which opens nothing. Never throws, but for an interruption. */
  async look(context: SourceContext): Promise<void> {
    const { kind, options, optional, critical } = this.source;
    await this.#guard(context, async () => {
      const { present, warnings } = await kind.preflight(options, context);
      if (!present && optional) {
        this.#skipped = true;
        this.reason = `not found: ${warnings.join("; ")}`;
      } else if (!present || (critical && warnings.length > 0)) {
        this.fail(warnings.join("; ") || "there is nothing to capture");
      }
    });
  }

  /** Pins the view. Never throws, but for an interruption. */
  async open(context: SourceContext): Promise<void> {
    if (this.reason !== null) return;
    await this.#guard(context, async () => {
      this.#open = await this.source.kind.open(this.source.options, context);
      this.warnings.push(...this.#open.warnings);
      if (this.source.critical && this.warnings.length > 0) this.fail(this.warnings.join("; "));
    });
  }

  /** What of it goes into the snapshot. The view is released when its last stream is read and the witness taken. */
  entries(): BackupEntry[] {
    const open = this.#open;
    if (open === null || this.reason !== null) return [];
    this.#witness = open.witness();
    // It is awaited at the end; a failure until then must not end the process.
    this.#witness.catch(() => undefined);
    this.#streamsLeft = open.entries.filter(({ kind }) => kind === "stream").length;
    return open.entries.map((entry) => this.#entry(entry));
  }

  /** True for a path of the disk that belongs to an entry of this source. */
  covers(path: Buffer): boolean {
    return (this.#open?.entries ?? []).some(({ kind, path: own }) => {
      if (kind !== "files" || !path.subarray(0, own.length).equals(own)) return false;
      return path.length === own.length || own.at(-1) === slash || path[own.length] === slash;
    });
  }

  /** True for a path of the snapshot that is a stream of this source. */
  streams(at: Buffer): boolean {
    return (this.#open?.entries ?? []).some((entry) => entry.kind === "stream" && this.#at(entry).equals(at));
  }

  /** A path of it is missing or doubtful in the snapshot. */
  addError(path: Buffer, message: string): void {
    this.errorCount++;
    if (this.errors.length < recordedErrors) this.errors.push(`${path.toString("utf8")}: ${message}`);
    if (this.streams(path)) this.fail(message);
  }

  fail(reason: string): void {
    this.reason ??= reason;
  }

  /** Waits for the witness; afterwards the outcome stands. */
  async settle(context: SourceContext): Promise<void> {
    await this.#guard(context, async () => {
      this.#witnessed = (await this.#witness) ?? null;
    });
    const [damage] = this.#witnessed?.damage ?? [];
    if (damage !== undefined) this.fail(`the content is damaged: ${damage}`);
  }

  get outcome(): SourceOutcome {
    if (this.#skipped) return "skipped";
    if (this.reason !== null) return "failed";
    return this.errorCount > 0 ? "partial" : "good";
  }

  get opened(): OpenSource | null {
    return this.#open;
  }

  get witnessed(): Witnessed | null {
    return this.#witnessed;
  }

  /** Bytes of its streams; null for files, whose sizes are in the snapshot. */
  get streamBytes(): number | null {
    return this.#open?.entries.some(({ kind }) => kind === "stream") ? this.#bytes : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#witness?.catch(() => undefined);
    await this.#release();
  }

  /** Turns what goes wrong into the failure of this source; an interruption ends the whole run. */
  async #guard(context: SourceContext, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (context.signal.aborted) throw error;
      if (!(error instanceof HoldfastError) || error.code === "internal") throw error;
      this.fail(error.message);
    }
  }

  #at(entry: SourceEntry): Buffer {
    return Buffer.concat([Buffer.from(`/${this.source.name}`), entry.path]);
  }

  #entry(entry: SourceEntry): BackupEntry {
    const at = this.#at(entry);
    if (entry.kind === "files") return { kind: "files", from: entry.path, at, selection: entry.selection };
    const { mode, uid, gid, mtimeNs, hint } = entry;
    const ended = (): void => {
      if (--this.#streamsLeft === 0) void this.#releaseEarly();
    };
    const read = async (into: Buffer): Promise<number> => {
      try {
        const length = await entry.read(into);
        this.#bytes += length;
        return length;
      } catch (error) {
        ended();
        throw error;
      }
    };
    const finish = (): Promise<void> => entry.finish().finally(ended);
    return { kind: "stream", at, mode, uid, gid, mtimeNs, hint, read, finish, whenBroken: "leave-out" };
  }

  /** Writers need not wait for what else is captured. */
  async #releaseEarly(): Promise<void> {
    await this.#witness?.catch(() => undefined);
    await this.#release();
  }

  #release(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#open?.[Symbol.asyncDispose]();
  }
}

const slash = 0x2f;
