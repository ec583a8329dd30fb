// Makes up a shop's SQLite database, and what a shop does to it in a day.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Random } from "./random.ts";
import { familyNames, givenNames, plainWords } from "./words.ts";

export const pageBytes = 4096;
const rowsPerTransaction = 5000;
const changesPerTransaction = 3;
/** What the index will take of the whole, and some room for events. */
const indexPart = 0.065;
/** Times of the orders that were there before the first change: milliseconds, in no order. */
const pastMs = { from: 1_600_000_000_000, range: 100_000_000_000 };

const schema = `
  CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, changed_at INTEGER NOT NULL,
    state TEXT NOT NULL, cents INTEGER NOT NULL, note TEXT NOT NULL, signature BLOB NOT NULL);
  CREATE TABLE events (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id), what TEXT NOT NULL)`;

/** A shop's database, open for writing. */
export class OrdersDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #random: Random;
  readonly #insertOrder: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #change: StatementSync;
  /** When something is changed, milliseconds: later than anything before. */
  #clockMs = 0;

  /** The same seed makes the same changes. Durability is what an application has: each commit in the log. */
  constructor(path: string, seed: number) {
    this.#database = new DatabaseSync(path, { timeout: 60_000 });
    this.#random = new Random(seed);
    this.#database.exec("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536");
    const prepare = (sql: string): StatementSync => this.#database.prepare(sql);
    this.#insertOrder = prepare("INSERT INTO orders VALUES (NULL, ?, ?, ?, ?, ?, ?)");
    this.#insertEvent = prepare("INSERT INTO events VALUES (NULL, ?, ?) RETURNING id");
    this.#change = prepare("UPDATE orders SET changed_at = ?, state = ?, note = ?, signature = ? WHERE id = ?");
  }

  static make(path: string, sizeBytes: number): void {
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; ${schema}`);
    database.close();
    using orders = new OrdersDatabase(path, 1);
    orders.#database.exec("PRAGMA synchronous = OFF");
    const past = (): number => pastMs.from + Math.floor((orders.#random.next() / 2 ** 32) * pastMs.range);
    orders.#growTo(sizeBytes * (1 - indexPart), () => orders.#placeOrder(past()));
    orders.#database.exec("CREATE INDEX orders_changed ON orders (changed_at)");
    orders.#growTo(sizeBytes, () => orders.#recordEvent(1, "placed"));
  }

  /** As many transactions, each of some orders anywhere and one event. */
  updateMany(transactions: number): void {
    for (let count = 0; count < transactions; count++) this.updateSome();
  }

  /** One transaction over some orders anywhere; the event that records it. */
  updateSome(): number {
    const last = this.#lastOrder();
    let event = 0;
    this.#database.exec("BEGIN IMMEDIATE");
    for (let count = 0; count < changesPerTransaction; count++) {
      const id = 1 + this.#random.below(last);
      this.#change.run(this.#now(), this.#random.pick(states), this.#note(), this.#signature(), id);
      if (count === 0) event = this.#recordEvent(id, "changed");
    }
    this.#database.exec("COMMIT");
    return event;
  }

  /** New orders at the end. */
  growBy(bytes: number): void {
    this.#growTo(this.sizeBytes() + bytes, () => this.#placeOrder(this.#now()));
  }

  /** From now on no commit writes the log back: `checkpoint` does. */
  stopCheckpoints(): void {
    this.#database.exec("PRAGMA wal_autocheckpoint = 0");
  }

  /** What SQLite does by itself inside a commit, when the log has 1,000 pages. */
  checkpoint(): void {
    this.#database.exec("PRAGMA wal_checkpoint(PASSIVE)");
  }

  vacuum(): void {
    this.#database.exec("VACUUM");
  }

  sizeBytes(): number {
    return Number(this.#database.prepare("PRAGMA page_count").get()?.["page_count"]) * pageBytes;
  }

  /** The last connection that closes writes the log back: then the file alone is the database. */
  [Symbol.dispose](): void {
    this.#database.close();
  }

  #growTo(sizeBytes: number, insert: () => void): void {
    while (this.sizeBytes() < sizeBytes) {
      this.#database.exec("BEGIN");
      const missingRows = Math.ceil((sizeBytes - this.sizeBytes()) / 500);
      for (let count = Math.min(missingRows, rowsPerTransaction); count > 0; count--) insert();
      this.#database.exec("COMMIT");
    }
  }

  #placeOrder(changedAtMs: number): void {
    const random = this.#random;
    const customer = `${random.pick(givenNames)} ${random.pick(familyNames)}`;
    const cents = random.below(500_000);
    this.#insertOrder.run(customer, changedAtMs, random.pick(states), cents, this.#note(), this.#signature());
  }

  #recordEvent(order: number, what: string): number {
    return Number(this.#insertEvent.get(order, what)?.["id"]);
  }

  #lastOrder(): number {
    return Number(this.#database.prepare("SELECT max(id) AS last FROM orders").get()?.["last"]);
  }

  #now(): number {
    if (this.#clockMs === 0) {
      const latest = this.#database.prepare("SELECT max(changed_at) AS latest FROM orders").get();
      this.#clockMs = Math.max(Number(latest?.["latest"]), pastMs.from + pastMs.range);
    }
    return ++this.#clockMs;
  }

  /** Plain words, which can be compressed. */
  #note(): string {
    let text = this.#random.pick(plainWords);
    for (let count = 6 + this.#random.below(32); count > 0; count--) text += ` ${this.#random.pick(plainWords)}`;
    return text;
  }

  /** Random bytes, which cannot. */
  #signature(): Uint8Array {
    const words = new Uint32Array(6 + this.#random.below(9));
    for (let index = 0; index < words.length; index++) words[index] = this.#random.next();
    return new Uint8Array(words.buffer);
  }
}

const states = ["open", "paid", "paid", "paid", "sent", "sent", "returned", "cancelled"];
