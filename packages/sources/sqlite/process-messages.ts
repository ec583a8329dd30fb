// What the capturing process and the process that holds the locks say to each other: one line of JSON each.
import type { Journal } from "./database-file.ts";
import type { CheckDepth } from "./integrity.ts";
import type { WalIndexHead } from "./wal-index.ts";

/** Paths are base64, because they may be any bytes. */
export type Question =
  /** Begins a read transaction and keeps it until `release`, or until the process ends. */
  | { readonly kind: "pin"; readonly path: string; readonly busyTimeoutMs: number }
  /** All was read. The transaction must still be there; it ends when the witness is taken too. */
  | { readonly kind: "read" }
  /** The facts of the pinned state. */
  | { readonly kind: "witness" }
  /** Neither is needed any more. */
  | { readonly kind: "release" }
  /** The facts of a database that nobody writes; takes no locks and leaves no files. */
  | { readonly kind: "examine"; readonly path: string };

export interface Answers {
  readonly pin: PinnedState;
  readonly read: { readonly held: boolean };
  readonly witness: Examined;
  readonly release: Record<string, never>;
  readonly examine: Examined;
}

/** What the read transaction sees. */
export interface PinnedState {
  readonly journal: Journal;
  readonly pageBytes: number;
  readonly pageCount: number;
  /** The log as the transaction sees it; null without one. */
  readonly log: WalIndexHead | null;
  /** Device and inode of the file that is open. */
  readonly file: { readonly device: string; readonly inode: string };
  /** False: no lock could be taken, and nobody seemed to write. */
  readonly locked: boolean;
  /** A transaction that a crash had left unfinished was rolled back to open it. */
  readonly recovered: boolean;
}

/** What is recorded of a database at capture, and what a restore must reproduce. JSON. */
export interface DatabaseFacts {
  readonly version: 1;
  readonly sqlite: string;
  readonly journal: Journal;
  readonly pageBytes: number;
  readonly pageCount: number;
  readonly encoding: string;
  readonly autoVacuum: number;
  readonly userVersion: number;
  readonly applicationId: number;
  /** Of all rows of sqlite_schema, without the numbers of pages. */
  readonly schema: { readonly objects: number; readonly sha256: string };
  readonly tables: readonly TableFacts[];
  /** `ok`, or the first lines of what SQLite's integrity check says. */
  readonly integrity: readonly string[];
  readonly checked: CheckDepth;
  /** Tables that could not be checked, because they need a function or a collation of their application. */
  readonly unchecked: readonly Unreadable[];
  /** Rows that point nowhere; a text says why they could not be counted. */
  readonly foreignKeyViolations: number | string;
}

/** How many rows a table has, and a hash over their values (row-hash.ts), or why it cannot be read. */
export type TableFacts = { readonly name: string; readonly rows: number; readonly sha256: string } | Unreadable;

export interface Unreadable {
  readonly name: string;
  readonly unreadable: string;
}

export interface Examined {
  readonly facts: DatabaseFacts;
  /** Damage in the content, in plain words. */
  readonly damage: readonly string[];
}

export type Request = Question & { readonly id: number };
export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: Failure };

/** `sqlite`: the extended error code of SQLite, 0 for anything else. */
export interface Failure {
  readonly message: string;
  readonly sqlite: number;
}
