// Reads the pages of one committed state from a database file and the log in front of it.
import type { FileHandle } from "node:fs/promises";
import { HoldfastError } from "@holdfast/repository";
import { type DatabaseHeader, headerBytes, lockPage, parseHeader } from "./database-file.ts";
import { readAt } from "./read-at.ts";
import type { PagesInLog } from "./write-ahead-log.ts";

export interface PageSource {
  readonly database: FileHandle;
  /** Null when nothing of the state stands in the log only. */
  readonly log: FileHandle | null;
  readonly pagesInLog: PagesInLog;
  readonly pageBytes: number;
  readonly pageCount: number;
  /** For messages. */
  readonly name: string;
}

/** The database as one stream. What makes its state stay as it is while it is read is not known here. */
export class DatabasePages {
  readonly #source: PageSource;
  readonly #sizeBytes: number;
  readonly #header = Buffer.alloc(headerBytes);
  #position = 0;

  constructor(source: PageSource) {
    this.#source = source;
    this.#sizeBytes = source.pageBytes * source.pageCount;
  }

  /** Fills the beginning of `into`; 0 is the end. */
  async read(into: Buffer): Promise<number> {
    const start = this.#position;
    const length = Math.min(into.length, this.#sizeBytes - start);
    if (length === 0) return 0;
    const range = into.subarray(0, length);
    await this.#readFile(range, start);
    await this.#readLog(range, start);
    if (start < headerBytes) range.copy(this.#header, start);
    this.#position += length;
    return length;
  }

  /** Throws `source` unless everything was read and it begins as a database of this length does. */
  requireWhole(): void {
    const { pageBytes, pageCount, name } = this.#source;
    const problem = (text: string): HoldfastError =>
      new HoldfastError("source", `the capture of ${name} is not whole: ${text}`, { context: { path: name } });
    if (this.#position !== this.#sizeBytes) throw problem(`${this.#position} of ${this.#sizeBytes} bytes were read`);
    if (pageCount === 0) return;
    const header = this.header();
    if (header === null) throw problem("it does not begin as a SQLite database does");
    if (header.pageBytes !== pageBytes) throw problem(`its pages have ${header.pageBytes} bytes, not ${pageBytes}`);
    if (header.pageCount !== null && header.pageCount !== pageCount)
      throw problem(`it says that it has ${header.pageCount} pages, not ${pageCount}`);
  }

  /** What was captured of the header; null for an empty database. */
  header(): DatabaseHeader | null {
    return parseHeader(this.#header);
  }

  async #readFile(range: Buffer, start: number): Promise<void> {
    const filled = await readAt(this.#source.database, range, start, this.#source.name);
    if (filled === range.length) return;
    range.fill(0, filled);
    this.#requireInLog(start + filled, start + range.length);
  }

  /** The file may be shorter than the database, but only by pages that the log has. */
  #requireInLog(from: number, to: number): void {
    const { pageBytes, pagesInLog, name } = this.#source;
    for (let page = Math.floor(from / pageBytes) + 1; (page - 1) * pageBytes < to; page++) {
      if (pagesInLog.has(page) || page === lockPage(pageBytes)) continue;
      throw new HoldfastError("source", `${name} is damaged: it ends before page ${page}`, {
        hint: "the file was cut off: bring back an earlier state of it",
        context: { path: name, page },
      });
    }
  }

  async #readLog(range: Buffer, start: number): Promise<void> {
    const { log, pagesInLog, pageBytes } = this.#source;
    if (log === null || pagesInLog.size === 0) return;
    const reads: Promise<void>[] = [];
    for (let page = Math.floor(start / pageBytes) + 1; (page - 1) * pageBytes < start + range.length; page++) {
      const place = pagesInLog.get(page);
      if (place === undefined) continue;
      const pageStart = (page - 1) * pageBytes;
      const from = Math.max(pageStart, start);
      const to = Math.min(pageStart + pageBytes, start + range.length);
      reads.push(this.#readPart(log, range.subarray(from - start, to - start), place + from - pageStart));
    }
    await Promise.all(reads);
  }

  async #readPart(log: FileHandle, into: Buffer, position: number): Promise<void> {
    const { name } = this.#source;
    if ((await readAt(log, into, position, `the log of ${name}`)) === into.length) return;
    throw new HoldfastError("source", `the write-ahead log of ${name} became shorter while it was read`);
  }
}
