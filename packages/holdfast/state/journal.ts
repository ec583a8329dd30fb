// The journal: what has to be finished or undone after a crash, on the disk before it is begun.
import { z } from "zod";
import { DurableRecords } from "./durable-records.ts";
import type { UnreadableRecord } from "./durable-records.ts";
import type { FileOperations } from "./file-operations.ts";
import { isRunning, ownIdentity, processIdentitySchema } from "./process-identity.ts";

/** Something about to be done that must not stay half done. Plain JSON, no secrets. */
export interface Intent {
  /** What it is (`swap`, …): whoever wrote it knows what `details` mean. */
  readonly kind: string;
  readonly stack: string;
  readonly details: unknown;
}

export interface PendingIntent extends Intent, IntentHandle {
  readonly recordedAt: Date;
  /** True while the process that recorded it runs: then it is under way, unless you hold the lock of its stack. */
  readonly isOwnerRunning: boolean;
}

export interface IntentHandle {
  readonly id: string;
  /** Resolves when the intent is removed for good. Calling it again does no harm. */
  readonly done: () => Promise<void>;
}

const contentSchema = z.object({
  kind: z.string(),
  stack: z.string(),
  recordedAt: z.iso.datetime(),
  owner: processIdentitySchema,
  details: z.unknown(),
});
const formatVersion = 1;

export class Journal {
  readonly #records: DurableRecords<z.infer<typeof contentSchema>>;
  readonly #now: () => Date;

  constructor(directory: string, context: { readonly now: () => Date; readonly files: FileOperations }) {
    this.#records = new DurableRecords(directory, contentSchema, formatVersion, context.files);
    this.#now = context.now;
  }

  /** Resolves only when the intent is on the disk. Throws (`no-space`, …) when it is not: then do nothing. */
  async record(intent: Intent): Promise<IntentHandle> {
    const now = this.#now();
    const id = DurableRecords.newId(now);
    const { kind, stack, details } = intent;
    await this.#records.write(id, { kind, stack, recordedAt: now.toISOString(), owner: ownIdentity(), details });
    return this.#handle(id);
  }

  /** What was recorded and is not done, the oldest first. Files that cannot be read are reported and stay. */
  async pending(): Promise<{ intents: PendingIntent[]; unreadable: UnreadableRecord[] }> {
    const { records, unreadable } = await this.#records.list();
    const intents = records.map(({ id, content }): PendingIntent => {
      const { kind, stack, details, owner, recordedAt } = content;
      return {
        kind,
        stack,
        details,
        recordedAt: new Date(recordedAt),
        isOwnerRunning: isRunning(owner),
        ...this.#handle(id),
      };
    });
    return { intents, unreadable };
  }

  #handle(id: string): IntentHandle {
    return { id, done: () => this.#records.remove(id) };
  }
}
