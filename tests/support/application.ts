// A small application for tests of stacks: a database, a folder and a file, which all say of which generation they are.
import {
  copyFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { noise } from "./sample-tree.ts";

const uploads = 40;

export class Application {
  readonly directory: string;
  readonly database: string;
  readonly uploads: string;
  readonly settings: string;

  constructor(directory: string) {
    this.directory = directory;
    this.database = path.join(directory, "app.db");
    this.uploads = path.join(directory, "uploads");
    this.settings = path.join(directory, "settings.json");
  }

  /** Makes it anew, in the first generation; `rows` of about 250 bytes. */
  make(generation: string, rows = 4000): void {
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(this.uploads, { recursive: true });
    using database = new DatabaseSync(this.database);
    database.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE fact (id INTEGER PRIMARY KEY, generation TEXT NOT NULL, content TEXT NOT NULL);
      CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
      CREATE TABLE move (id INTEGER PRIMARY KEY, giver INTEGER NOT NULL, taker INTEGER NOT NULL, amount INTEGER NOT NULL);
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
        INSERT INTO fact SELECT i, '', hex(randomblob(110)) FROM n;
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO account SELECT i, 0 FROM n;
    `);
    database.close();
    this.become(generation);
  }

  /** Every part of it becomes one of this generation. `crashed`: as if it had died, with its log left behind. */
  become(generation: string, { crashed = false } = {}): void {
    const database = new DatabaseSync(this.database);
    database.exec("PRAGMA wal_autocheckpoint = 0");
    database.prepare("UPDATE fact SET generation = ?").run(generation);
    if (crashed) {
      const log = `${this.database}-wal`;
      for (const file of [this.database, log]) copyFileSync(file, `${file}.kept`);
      database.close();
      for (const file of [this.database, log]) {
        copyFileSync(`${file}.kept`, file);
        rmSync(`${file}.kept`);
      }
    } else database.close();
    mkdirSync(this.uploads, { recursive: true });
    for (let at = 0; at < uploads; at++)
      writeFileSync(path.join(this.uploads, `${at}`), `${generation}\n`.repeat(at + 1));
    writeFileSync(this.settings, JSON.stringify({ generation }));
  }

  /** Some pages of a table become noise behind the back of SQLite. */
  damage(): void {
    overwritePages(this.database);
  }

  /** The generations that can be seen in its three parts, each once; parts that are missing have none. */
  generations(): string[] {
    const seen = new Set<string>(existsSync(this.database) ? generationsIn(this.database) : []);
    if (existsSync(this.uploads)) {
      const names = readdirSync(this.uploads);
      if (names.length !== uploads) seen.add(`${names.length} uploads`);
      for (const name of names) {
        const lines = readFileSync(path.join(this.uploads, name), "utf8").trimEnd().split("\n");
        if (lines.length !== Number(name) + 1) seen.add(`a torn upload ${name}`);
        for (const line of lines) seen.add(line);
      }
    }
    if (existsSync(this.settings))
      seen.add((JSON.parse(readFileSync(this.settings, "utf8")) as { generation: string }).generation);
    return [...seen];
  }

  /** True when none of its parts is missing. */
  isComplete(): boolean {
    return [this.database, this.uploads, this.settings].every((each) => existsSync(each));
  }
}

/** As a failing disk does; none of them holds the schema or the first rows. */
export function overwritePages(database: string): void {
  const descriptor = openSync(database, "r+");
  for (let page = 100; page < 104; page++) writeSync(descriptor, noise(`page ${page}`, 4096), 0, 4096, page * 4096);
  closeSync(descriptor);
}

/** What a database says, with its log if it has one, looked at in a copy: an opened original would be changed. */
export function inCopy<Result>(file: string, look: (database: DatabaseSync) => Result): Result {
  const directory = mkdtempSync(path.join(tmpdir(), "holdfast-look-"));
  try {
    const copy = path.join(directory, "copy.db");
    cpSync(file, copy);
    if (existsSync(`${file}-wal`)) cpSync(`${file}-wal`, `${copy}-wal`);
    using database = new DatabaseSync(copy);
    return look(database);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function generationsIn(file: string): string[] {
  return inCopy(file, (database) => {
    const [check] = database.prepare("PRAGMA integrity_check").all();
    if (check?.["integrity_check"] !== "ok") return [`a damaged database: ${String(check?.["integrity_check"])}`];
    return database
      .prepare("SELECT DISTINCT generation FROM fact")
      .all()
      .map((row) => String(row["generation"]));
  });
}
