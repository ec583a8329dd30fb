// Which packs of which repository this host has read back, when, and which of them have waited since.
import { z } from "zod";
import type { LazyDatabase } from "./lazy-database.ts";

export interface PackMemory {
  /** When all of it was last read and was whole, in milliseconds since the epoch; null: never. */
  readonly verifiedMs: number | null;
  /** So many times packs were read back and this one was not, since it was read or first seen. */
  readonly waiting: number;
  /** The last reading found it damaged. */
  readonly isDamaged: boolean;
}

/** By the name of the pack. */
export type PackMemories = ReadonlyMap<string, PackMemory>;

const rowSchema = z.object({
  pack: z.instanceof(Uint8Array),
  verified_ms: z.number().nullable(),
  waiting: z.number(),
  is_damaged: z.number(),
});

export class VerifiedPacks {
  readonly #database: LazyDatabase;

  constructor(database: LazyDatabase) {
    this.#database = database;
  }

  /** `repository` is its id. Some hundred bytes of memory a pack. */
  load(repository: string): PackMemories {
    return this.#database.use("read", (database) => {
      const memories = new Map<string, PackMemory>();
      const select = "SELECT pack, verified_ms, waiting, is_damaged FROM verified_packs WHERE repository = ?";
      for (const row of database.prepare(select).iterate(repository)) {
        const { pack, verified_ms: verifiedMs, waiting, is_damaged: isDamaged } = rowSchema.parse(row);
        memories.set(Buffer.from(pack).toString("hex"), { verifiedMs, waiting, isDamaged: isDamaged === 1 });
      }
      return memories;
    });
  }

  /** In the place of all that was known of the repository. */
  replace(repository: string, memories: PackMemories): void {
    this.#database.change((database) => {
      database.prepare("DELETE FROM verified_packs WHERE repository = ?").run(repository);
      const insert = database.prepare("INSERT INTO verified_packs VALUES (?, ?, ?, ?, ?)");
      for (const [pack, { verifiedMs, waiting, isDamaged }] of memories)
        insert.run(repository, Buffer.from(pack, "hex"), verifiedMs, waiting, isDamaged ? 1 : 0);
    });
  }
}
