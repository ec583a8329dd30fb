// The data that is measured with: made once, kept in a cache outside the repository, the same in every run.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { writeDatabasePages } from "./database-pages.ts";
import { copyMachineTrees } from "./machine-trees.ts";
import { OrdersDatabase } from "./orders-database.ts";
import { writePhotos } from "./photos.ts";
import { writeSmallFiles } from "./small-files.ts";
import { writeSqlText } from "./sql-text.ts";

const mebibyte = 1 << 20;
const gibibyte = 1 << 30;
/** To be raised when what is made changes, so that older data is not taken for it. */
const generation = 1;

export class DataSets {
  readonly #directory: string;
  readonly #scale: number;
  readonly #say: (message: string) => void;

  /** `scale` makes everything smaller, to try the benchmark itself. */
  constructor(directory: string, scale: number, say: (message: string) => void) {
    this.#directory = directory;
    this.#scale = scale;
    this.#say = say;
  }

  /** Files of all kinds: 1.5 GiB, or `times` as much of the same mixture. */
  mixed(times: number): string {
    return this.#make(`mixed-${times}`, (target) => writeMixed(target, this.scaled(times * 1.5 * gibibyte)));
  }

  /** `folders` directories beside each other with 100,000 small files each. */
  smallFiles(folders: number): string[] {
    const count = this.scaled(100_000);
    return Array.from({ length: folders }, (_, index) =>
      this.#make(`small-files-${index}`, (target) => writeSmallFiles(target, count, index + 1)),
    );
  }

  /** A directory of so many empty files, and nothing else. */
  emptyFiles(count: number): string {
    return this.#make(`empty-files-${count}`, (target) => {
      for (let number = 0; number < count; number++)
        writeFileSync(join(target, `message-${String(number).padStart(7, "0")}.eml`), "");
    });
  }

  /** One file of 1 GiB of SQL. */
  sqlDump(): string {
    const directory = this.#make("sql", (target) => writeSqlText(join(target, "dump.sql"), this.scaled(gibibyte), 7));
    return join(directory, "dump.sql");
  }

  /** A shop's SQLite database of this size, to be copied before it is changed. */
  ordersDatabase(mebibytes: number): string {
    const directory = this.#make(`orders-${mebibytes}`, (target) =>
      this.makeOrdersDatabase(join(target, "orders.db"), mebibytes),
    );
    return join(directory, "orders.db");
  }

  /** The same, not kept. */
  makeOrdersDatabase(path: string, mebibytes: number): void {
    this.#say(`making a database of ${mebibytes} MiB`);
    OrdersDatabase.make(path, this.scaled(mebibytes * mebibyte));
  }

  /** What is to be done so many times with data of full size. */
  scaled(count: number): number {
    return Math.round(count * this.#scale);
  }

  #make(name: string, write: (target: string) => void): string {
    const target = join(this.#directory, `${name}-v${generation}${this.#scale === 1 ? "" : `-x${this.#scale}`}`);
    if (!existsSync(target)) {
      this.#say(`making ${target}`);
      const unfinished = `${target}.new`;
      rmSync(unfinished, { recursive: true, force: true });
      mkdirSync(unfinished, { recursive: true });
      write(unfinished);
      renameSync(unfinished, target);
    }
    return target;
  }
}

/** Three fifths are the machine's own files; the rest is a dump, two databases and photos. */
function writeMixed(target: string, totalBytes: number): void {
  const treesBytes = totalBytes * 0.6;
  let copied = 0;
  for (let pass = 0; copied < treesBytes * 0.97 && pass < 20; pass++) {
    const now = copyMachineTrees(join(target, `machine-${pass}`), treesBytes - copied, pass);
    if (now === 0) break;
    copied += now;
  }
  const madeBytes = Math.max(0, totalBytes - copied);
  mkdirSync(join(target, "data"));
  const sqlBytes = Math.floor(madeBytes * 0.35);
  const databaseBytes = Math.floor(madeBytes * 0.125);
  writeSqlText(join(target, "data", "shop.sql"), sqlBytes, 1);
  writeDatabasePages(join(target, "data", "mail.db"), databaseBytes, 2);
  writeDatabasePages(join(target, "data", "chat.db"), databaseBytes, 3);
  writePhotos(join(target, "photos"), Math.floor(madeBytes * 0.4), 4);
}

/** Reads every file once, so that neither program is the first to wait for the disk. */
export function warm(paths: readonly string[]): void {
  const area = Buffer.alloc(mebibyte);
  for (const path of paths) warmPath(path, area);
}

function warmPath(path: string, area: Buffer): void {
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTDIR") throw error;
    return readThrough(path, area);
  }
  for (const entry of entries) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) warmPath(child, area);
    else if (entry.isFile()) readThrough(child, area);
  }
}

function readThrough(path: string, area: Buffer): void {
  const descriptor = openSync(path, "r");
  try {
    while (readSync(descriptor, area, 0, area.length, null) > 0);
  } finally {
    closeSync(descriptor);
  }
}
