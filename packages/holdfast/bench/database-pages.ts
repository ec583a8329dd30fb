// Makes up the file of an embedded database: pages of 4 KiB laid out as SQLite's leaf pages are.
import { closeSync, openSync, writeSync } from "node:fs";
import { Random } from "./random.ts";
import { familyNames, givenNames, plainWords } from "./words.ts";

const pageBytes = 4096;
const pagesPerWrite = 256;
const leafTablePage = 0x0d;
const headerBytes = 8;

/** Writes whole pages up to `lengthBytes`. */
export function writeDatabasePages(path: string, lengthBytes: number, seed: number): void {
  const random = new Random(seed);
  const descriptor = openSync(path, "w");
  const pages = Math.floor(lengthBytes / pageBytes);
  const area = Buffer.alloc(pagesPerWrite * pageBytes);
  for (let done = 0; done < pages;) {
    const count = Math.min(pagesPerWrite, pages - done);
    area.fill(0);
    for (let page = 0; page < count; page++)
      fillPage(area.subarray(page * pageBytes, (page + 1) * pageBytes), random, done + page);
    writeSync(descriptor, area, 0, count * pageBytes);
    done += count;
  }
  closeSync(descriptor);
}

/** Rows grow from the end of the page towards the list of their places; between them is free space, zeros. */
function fillPage(page: Buffer, random: Random, number: number): void {
  const fullTo = headerBytes + random.below(1200);
  let start = pageBytes;
  let rows = 0;
  for (;;) {
    const row = rowText(random);
    const rowStart = start - row.length - 18;
    if (rowStart < fullTo + 2 * rows + 2) break;
    start = rowStart;
    page.writeUInt32BE(number * 64 + rows, start);
    page.writeUInt16BE(row.length, start + 4);
    page.writeDoubleBE(random.below(1e6) / 100, start + 6);
    page.writeUInt32BE(random.next(), start + 14);
    page.latin1Write(row, start + 18);
    page.writeUInt16BE(start, headerBytes + 2 * rows);
    rows++;
  }
  page.writeUInt8(leafTablePage, 0);
  page.writeUInt16BE(rows, 3);
  page.writeUInt16BE(start, 5);
}

function rowText(random: Random): string {
  const words = [random.pick(givenNames), random.pick(familyNames)];
  for (let count = 2 + random.below(10); count > 0; count--) words.push(random.pick(plainWords));
  return words.join(" ");
}
