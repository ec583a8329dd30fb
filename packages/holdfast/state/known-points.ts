// The recovery points that this host has stored or seen: so that one that vanishes is missed.
import { z } from "zod";
import type { LazyDatabase } from "./lazy-database.ts";

export interface KnownPoint {
  readonly stack: string;
  readonly snapshotId: string;
  /** The id of its first form: a snapshot whose tags or contents were changed, or that was copied, keeps it. */
  readonly origin: string;
  readonly time: Date;
}

/** A repository of the configuration. */
export interface RepositoryIdentity {
  readonly id: string;
  readonly name: string;
}

const rowSchema = z.object({ stack: z.string(), snapshot: z.string(), origin: z.string(), time_ms: z.number() });

export class KnownPoints {
  readonly #database: LazyDatabase;

  constructor(database: LazyDatabase) {
    this.#database = database;
  }

  /** Points that are known already stay as they are, but for the snapshot that they are in now. */
  note({ id, name }: RepositoryIdentity, points: readonly KnownPoint[]): void {
    if (points.length === 0) return;
    this.#database.change((database) => {
      const insert = database.prepare(
        `INSERT INTO known_points (repository, name, origin, snapshot, stack, time_ms) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET name = excluded.name, snapshot = excluded.snapshot`,
      );
      for (const { stack, snapshotId, origin, time } of points)
        insert.run(id, name, origin, snapshotId, stack, time.getTime());
    });
  }

  /**
   * Those of the repository, the oldest first; also those of another one that had its name: what was put in its place
   * must have them too.
   */
  list({ id, name }: RepositoryIdentity): KnownPoint[] {
    return this.#database.use("read", (database) =>
      database
        .prepare(
          "SELECT stack, snapshot, origin, time_ms FROM known_points WHERE repository = ? OR name = ? ORDER BY time_ms",
        )
        .all(id, name)
        .map((row) => {
          const { stack, snapshot, origin, time_ms: timeMs } = rowSchema.parse(row);
          return { stack, snapshotId: snapshot, origin, time: new Date(timeMs) };
        }),
    );
  }

  /** They were removed on purpose: nobody misses them. By the ids of their snapshots. */
  forget({ id, name }: RepositoryIdentity, snapshotIds: Iterable<string>): void {
    this.#database.change((database) => {
      const remove = database.prepare("DELETE FROM known_points WHERE (repository = ? OR name = ?) AND snapshot = ?");
      for (const snapshotId of snapshotIds) remove.run(id, name, snapshotId);
    });
  }
}
