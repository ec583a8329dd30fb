// Storage that fails on purpose, by a script: for tests of everything that must survive failures and crashes.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError, hasCode } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { relativePath } from "../storage/file-layout.ts";
import { temporaryName } from "../storage/local.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "../storage/storage.ts";

export type Operation = "createLayout" | "list" | "stat" | "read" | "put" | "remove";

/** One call, as the script sees it before it is made. */
export interface StorageCall {
  /** Counts all calls from 1. */
  readonly number: number;
  readonly operation: Operation;
  readonly type?: FileType;
  readonly name?: string;
  /** 1 for the first call with this operation, type and name. */
  readonly attempt: number;
}

export type Fault =
  /** Nothing is done and the call fails. */
  | { readonly kind: "fail"; readonly code: ErrorCode }
  /** The call is done in full, and fails all the same: its answer is lost. */
  | { readonly kind: "fail-after"; readonly code: ErrorCode }
  | { readonly kind: "delay"; readonly delayMs: number }
  /** A read that yields only this many bytes and says nothing: what an honest storage never does. */
  | { readonly kind: "short-read"; readonly lengthBytes: number }
  /** A put that leaves this many bytes under the final name and fails with `storage`. */
  | { readonly kind: "torn-write"; readonly lengthBytes: number }
  /** A put that succeeds, and is undone by the next crash: a storage without durability. */
  | { readonly kind: "lost-on-crash" }
  /** A put that is done twice. */
  | { readonly kind: "duplicate" }
  /** A listing without the last puts. */
  | { readonly kind: "stale-list"; readonly withoutLastPuts: number }
  /** The process ends here: this call and all later ones fail with `interrupted`. */
  | { readonly kind: "crash"; readonly effect: CrashEffect };

/** What became of the call in which the process died. `temporary`: a put left only an unfinished file. */
export type CrashEffect = "done" | "not-done" | "temporary";

export type FaultScript = (call: StorageCall) => Fault | undefined;

/** A fault at the `number`-th call (from 1) of those that match, as an element of a script. */
export interface FaultRule {
  readonly number: number;
  readonly operation?: Operation;
  readonly type?: FileType;
  readonly fault: Fault;
}

/** A script from rules; the first that fits counts. A script counts for one storage only. */
export function faultScript(rules: readonly FaultRule[]): FaultScript {
  const seen = rules.map(() => 0);
  return (call) => {
    let chosen: Fault | undefined;
    for (const [position, rule] of rules.entries()) {
      if (rule.operation !== undefined && rule.operation !== call.operation) continue;
      if (rule.type !== undefined && rule.type !== call.type) continue;
      const count = (seen[position] ?? 0) + 1;
      seen[position] = count;
      if (count === rule.number) chosen ??= rule.fault;
    }
    return chosen;
  };
}

/** The script for "crash at every operation": loop `number` from 1 until a run ends without `crashed`. */
export function crashAt(number: number, effect: CrashEffect): FaultScript {
  return (call) => (call.number === number ? { kind: "crash", effect } : undefined);
}

export interface FaultOptions {
  /** Leaves `prefix` as an unfinished file, in the way of the storage below; without it nothing stays behind. */
  readonly leaveTemporary?: (type: FileType, name: string, prefix: Buffer) => Promise<void>;
}

/** `leaveTemporary` for a repository in a local directory: what a process killed while writing leaves there. */
export function leaveTemporaryIn(root: string): NonNullable<FaultOptions["leaveTemporary"]> {
  return async (type, name, prefix) => {
    const path = join(root, relativePath(type, name));
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(join(dirname(path), temporaryName(name)), prefix, { mode: 0o600 });
  };
}

interface PutRecord {
  readonly type: FileType;
  readonly name: string;
}

export class FaultStorage implements Storage {
  /** Every call so far, in the order in which they began: for assertions like "lists once". */
  readonly calls: StorageCall[] = [];
  readonly #inner: Storage;
  readonly #script: FaultScript;
  readonly #options: FaultOptions;
  readonly #attempts = new Map<string, number>();
  readonly #puts: PutRecord[] = [];
  readonly #losable: PutRecord[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #crashed = false;

  constructor(inner: Storage, script: FaultScript, options: FaultOptions = {}) {
    this.#inner = inner;
    this.#script = script;
    this.#options = options;
  }

  get location(): string {
    return this.#inner.location;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  createLayout(): Promise<void> {
    return this.#run({ operation: "createLayout" }, () => this.#inner.createLayout());
  }

  async *list(type: FileType): AsyncGenerator<StoredFile> {
    // Taken whole when it begins, so that one listing is one call.
    const files = await this.#run({ operation: "list", type }, async (fault) => {
      const all = await Array.fromAsync(this.#inner.list(type));
      if (fault?.kind !== "stale-list" || fault.withoutLastPuts === 0) return all;
      const hidden = new Set(
        this.#puts
          .slice(-fault.withoutLastPuts)
          .filter((put) => put.type === type)
          .map((put) => put.name),
      );
      return all.filter((file) => !hidden.has(file.name));
    });
    yield* files;
  }

  stat(type: FileType, name: string): Promise<StoredFile> {
    return this.#run({ operation: "stat", type, name }, () => this.#inner.stat(type, name));
  }

  read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    return this.#run({ operation: "read", type, name }, async (fault) => {
      const content = await this.#inner.read(type, name, range);
      return fault?.kind === "short-read" ? content.subarray(0, fault.lengthBytes) : content;
    });
  }

  put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#run({ operation: "put", type, name }, async (fault) => {
      if (fault?.kind === "torn-write") {
        await this.#inner.put(type, name, [Buffer.concat(pieces).subarray(0, fault.lengthBytes)]);
        throw new HoldfastError("storage", `injected: ${type} ${name} was cut short`);
      }
      if (fault?.kind === "crash" && fault.effect === "temporary") {
        const content = Buffer.concat(pieces);
        await this.#options.leaveTemporary?.(type, name, content.subarray(0, content.byteLength / 2));
        return;
      }
      await this.#inner.put(type, name, pieces);
      if (fault?.kind === "duplicate") await this.#inner.put(type, name, pieces);
      this.#puts.push({ type, name });
      if (fault?.kind === "lost-on-crash") this.#losable.push({ type, name });
    });
  }

  remove(type: FileType, name: string): Promise<void> {
    return this.#run({ operation: "remove", type, name }, () => this.#inner.remove(type, name));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** The end of the process, between two calls; loses what was `lost-on-crash`. */
  async crash(): Promise<void> {
    this.#crashed = true;
    for (const { type, name } of this.#losable.splice(0)) {
      await this.#inner.remove(type, name).catch((error: unknown) => {
        if (!hasCode(error, "not-found")) throw error;
      });
    }
  }

  /** Resolves when no call is under way any more: only then may the storage below be looked at after a crash. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  async #run<T>(
    what: Pick<StorageCall, "operation" | "type" | "name">,
    perform: (fault: Fault | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.#crashed) throw interrupted();
    const call = this.#record(what);
    const running = this.#perform(call.operation, this.#script(call), perform);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #perform<T>(
    operation: Operation,
    fault: Fault | undefined,
    perform: (fault: Fault | undefined) => Promise<T>,
  ): Promise<T> {
    if (fault?.kind === "crash") {
      // From now on, even for calls that begin while this one still runs.
      this.#crashed = true;
      const leavesSomething = fault.effect === "done" || (fault.effect === "temporary" && operation === "put");
      if (leavesSomething) await perform(fault);
      await this.crash();
      throw interrupted();
    }
    if (fault?.kind === "delay") {
      await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
      if (this.#crashed) throw interrupted();
    }
    if (fault?.kind === "fail") throw new HoldfastError(fault.code, `injected: ${fault.code}`);
    const result = await perform(fault);
    if (fault?.kind === "fail-after")
      throw new HoldfastError(fault.code, `injected: ${fault.code}, though it was done`);
    // A dead process never learns the outcome of what was under way.
    if (this.#crashed) throw interrupted();
    return result;
  }

  #record(what: Pick<StorageCall, "operation" | "type" | "name">): StorageCall {
    const key = `${what.operation} ${what.type ?? ""} ${what.name ?? ""}`;
    const attempt = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempt);
    const call = { ...what, number: this.calls.length + 1, attempt };
    this.calls.push(call);
    return call;
  }
}

function interrupted(): HoldfastError {
  return new HoldfastError("interrupted", "injected: the process ended here");
}
