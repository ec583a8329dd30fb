// The database of the demo's shop: rows that can be foretold, and an invariant over its two tables.
import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";

const accounts = 1000;
const openingBalance = 1_000_000;
/** That many problems tell enough. */
const problemsShown = 5;

interface Transfer {
  readonly id: number;
  readonly giver: number;
  readonly taker: number;
  readonly amount: number;
  readonly memo: string;
}

/** What the shop's transfer of this number says: whoever checks need not have seen it written. */
function transferOf(id: number): Transfer {
  return {
    id,
    giver: 1 + ((id * 7919) % accounts),
    taker: 1 + ((id * 104_729) % accounts),
    amount: 1 + (id % 997),
    memo: `order ${id}, paid with ${hash("sha256", String(id), "base64")}`,
  };
}

const schema = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
  CREATE TABLE transfer (
    id INTEGER PRIMARY KEY,
    giver INTEGER NOT NULL REFERENCES account,
    taker INTEGER NOT NULL REFERENCES account,
    amount INTEGER NOT NULL,
    memo TEXT NOT NULL
  );
  CREATE INDEX transfer_giver ON transfer (giver);
`;
const insertion = "INSERT INTO transfer (id, giver, taker, amount, memo) VALUES (?, ?, ?, ?, ?)";

/** A shop that has had `transfers` transfers already. */
export function makeShopDatabase(path: RawPath, transfers: number): void {
  using database = new DatabaseSync(bytesOf(path));
  database.exec(`${schema} BEGIN`);
  const balances = new Balances();
  const insert = database.prepare(insertion);
  const account = database.prepare("INSERT INTO account (id, balance) VALUES (?, ?)");
  const made = Array.from({ length: transfers }, (_, index) => transferOf(index + 1));
  for (const transfer of made) balances.add(transfer);
  for (let id = 1; id <= accounts; id++) account.run(id, balances.of(id));
  for (const { id, giver, taker, amount, memo } of made) insert.run(id, giver, taker, amount, memo);
  database.exec("COMMIT");
}

/** The application's connection to its database: one transaction a transfer, each durable. */
export class ShopConnection implements Disposable {
  readonly #database: DatabaseSync;
  readonly #insert;
  readonly #change;
  #last: number;

  constructor(path: RawPath) {
    this.#database = new DatabaseSync(bytesOf(path), { timeout: 60_000 });
    this.#database.exec("PRAGMA synchronous = FULL");
    this.#insert = this.#database.prepare(insertion);
    this.#change = this.#database.prepare("UPDATE account SET balance = balance + ? WHERE id = ?");
    this.#last = countTransfers(this.#database);
  }

  /** Writes the next transfer and returns its number once it is committed. */
  transfer(): number {
    const { id, giver, taker, amount, memo } = transferOf(this.#last + 1);
    this.#database.exec("BEGIN IMMEDIATE");
    this.#change.run(-amount, giver);
    this.#change.run(amount, taker);
    this.#insert.run(id, giver, taker, amount, memo);
    this.#database.exec("COMMIT");
    this.#last = id;
    return id;
  }

  /** The mistake of a careless statement; returns how many rows it took. */
  deleteTransfers(): number {
    return Number(this.#database.prepare("DELETE FROM transfer WHERE id % 2 = 0").run().changes);
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }
}

export interface ShopState {
  /** Transfers. */
  readonly rows: number;
  /** For people; empty: it is whole, and agrees with itself. */
  readonly problems: readonly string[];
}

/** Whether the database is what the shop had after some transfer, and not before its transfer `least`. */
export function inspectShop(path: RawPath, least: number): ShopState {
  if (!existsSync(bytesOf(path))) return { rows: 0, problems: ["the database is missing"] };
  const problems: string[] = [];
  let rows = 0;
  try {
    using database = new DatabaseSync(bytesOf(path));
    for (const problem of integrityProblems(database)) problems.push(problem);
    rows = countTransfers(database);
    if (rows < least) problems.push(`${rows} transfers instead of ${least} or more`);
    problems.push(...contentProblems(database));
  } catch (error) {
    problems.push(`the database cannot be read: ${(error as Error).message}`);
  }
  return { rows, problems: problems.slice(0, problemsShown) };
}

function countTransfers(database: DatabaseSync): number {
  return Number(database.prepare("SELECT count(*) AS rows FROM transfer").get()?.["rows"]);
}

/** What is found before a question fails counts. */
function* integrityProblems(database: DatabaseSync): Generator<string> {
  for (const row of database.prepare(`PRAGMA integrity_check(${problemsShown})`).iterate())
    for (const line of String(row["integrity_check"]).split("\n"))
      if (line !== "ok" && !line.startsWith("***")) yield `integrity_check: ${line}`;
  const orphans = database.prepare("PRAGMA foreign_key_check").all().length;
  if (orphans > 0) yield `${orphans} rows without the row they refer to`;
}

/** Every transfer from the first on is there as it was written, and every balance is what they come to. */
function contentProblems(database: DatabaseSync): string[] {
  const balances = new Balances();
  let id = 0;
  for (const row of database.prepare("SELECT id, giver, taker, amount, memo FROM transfer ORDER BY id").iterate()) {
    const wanted = transferOf(++id);
    const isSame = Object.entries(wanted).every(([column, value]) => row[column] === value);
    if (!isSame) return [`transfer ${id} is missing, or not what was written`];
    balances.add(wanted);
  }
  const wrong = database
    .prepare("SELECT id, balance FROM account")
    .all()
    .filter((row) => row["balance"] !== balances.of(Number(row["id"])));
  return wrong.length === 0 ? [] : [`${wrong.length} balances are not what the transfers come to`];
}

class Balances {
  readonly #moved = new Map<number, number>();

  add({ giver, taker, amount }: Transfer): void {
    this.#moved.set(giver, (this.#moved.get(giver) ?? 0) - amount);
    this.#moved.set(taker, (this.#moved.get(taker) ?? 0) + amount);
  }

  of(account: number): number {
    return openingBalance + (this.#moved.get(account) ?? 0);
  }
}
