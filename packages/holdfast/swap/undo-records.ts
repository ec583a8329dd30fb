// What stands where after a swap, kept in the state directory until it is undone.
import { z } from "zod";
import type { UnreadableRecord } from "../state/durable-records.ts";
import { DurableRecords } from "../state/durable-records.ts";
import type { FileOperations } from "../state/file-operations.ts";
import type { Replacing } from "./swap-plan.ts";
import { replacingJson } from "./swap-plan.ts";

/** A swap that can be undone. */
export interface UndoRecord {
  readonly id: string;
  readonly stack: string;
  readonly swappedAt: Date;
  /** `aside` is where the old data stands. */
  readonly replaced: readonly Replacing[];
}

const contentSchema = z.object({ stack: z.string(), swappedAt: z.iso.datetime(), replaced: z.unknown() });
const formatVersion = 1;

export class UndoRecords {
  readonly directory: string;
  readonly #records: DurableRecords<z.infer<typeof contentSchema>>;

  constructor(directory: string, files: FileOperations) {
    this.directory = directory;
    this.#records = new DurableRecords(directory, contentSchema, formatVersion, files);
  }

  async write({ id, stack, swappedAt, replaced }: UndoRecord): Promise<void> {
    const content = { stack, swappedAt: swappedAt.toISOString(), replaced: z.encode(replacingJson, replaced) };
    await this.#records.write(id, content);
  }

  remove(id: string): Promise<void> {
    return this.#records.remove(id);
  }

  /** Those of a stack, the latest last, and every file that cannot be read. */
  async list(stack: string): Promise<{ records: UndoRecord[]; unreadable: UnreadableRecord[] }> {
    const { records, unreadable } = await this.#records.list();
    const own = records.filter(({ content }) => content.stack === stack);
    return {
      records: own.map(({ id, content }) => ({
        id,
        stack,
        swappedAt: new Date(content.swappedAt),
        replaced: replacingJson.parse(content.replaced),
      })),
      unreadable,
    };
  }
}
