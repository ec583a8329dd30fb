// The state database, opened by the first use: a job can go on when there is no room even for that.
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { openStateDatabase, stateFailure } from "./state-database.ts";

const sqliteCorrupt = 11;

export class LazyDatabase implements Disposable {
  readonly #path: string;
  #database: DatabaseSync | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** `action` is for messages: "read", "write to". Throws `no-space`, `damaged`, `locked`, `permission`. */
  use<Result>(action: string, work: (database: DatabaseSync) => Result): Result {
    this.#database ??= openStateDatabase(this.#path);
    try {
      return work(this.#database);
    } catch (error) {
      if (error instanceof z.ZodError) {
        const cause = Object.assign(new Error("a row makes no sense"), { errcode: sqliteCorrupt });
        throw stateFailure(cause, this.#path, action);
      }
      throw stateFailure(error, this.#path, action);
    }
  }

  /** The same in one transaction: all of it or nothing. */
  change(work: (database: DatabaseSync) => void): void {
    this.use("write to", (database) => {
      database.exec("BEGIN IMMEDIATE");
      try {
        work(database);
        database.exec("COMMIT");
      } catch (error) {
        if (database.isTransaction) database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  [Symbol.dispose](): void {
    this.#database?.close();
    this.#database = null;
  }
}
