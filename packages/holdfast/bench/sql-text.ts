// Makes up the dump of a shop's database: the text that a database's own dump program would print.
import { closeSync, openSync, writeSync } from "node:fs";
import { Random } from "./random.ts";
import { familyNames, givenNames, plainWords } from "./words.ts";

const rowsPerStatement = 100;
const pieceCharacters = 1 << 20;

/** Writes `lengthBytes` of SQL; the last statement is cut where the length is reached. */
export function writeSqlText(path: string, lengthBytes: number, seed: number): void {
  const random = new Random(seed);
  const descriptor = openSync(path, "w");
  let left = lengthBytes;
  let id = 0;
  while (left > 0) {
    let piece = "";
    while (piece.length < pieceCharacters) {
      piece += statement(random, id);
      id += rowsPerStatement;
    }
    left -= writeSync(descriptor, Buffer.from(piece, "latin1").subarray(0, left));
  }
  closeSync(descriptor);
}

/** Two tables in turn, as a dump of several gigabytes would not have them, so that every part has both. */
function statement(random: Random, firstId: number): string {
  const orders = Math.floor(firstId / rowsPerStatement / 200) % 2 === 0;
  const rows: string[] = [];
  for (let id = firstId; id < firstId + rowsPerStatement; id++)
    rows.push(orders ? orderRow(random, id) : customerRow(random, id));
  return `INSERT INTO \`${orders ? "orders" : "customers"}\` VALUES ${rows.join(",")};\n`;
}

function orderRow(random: Random, id: number): string {
  const cents = random.below(500_000);
  const state = random.pick(["paid", "paid", "paid", "sent", "sent", "open", "returned"]);
  const reference = random.next().toString(16).padStart(8, "0") + random.next().toString(16).padStart(8, "0");
  return `(${id},${random.below(90_000)},'${time(random, id)}','${state}',${(cents / 100).toFixed(2)},'EUR','${reference}',${note(random)})`;
}

function customerRow(random: Random, id: number): string {
  const given = random.pick(givenNames);
  const family = random.pick(familyNames);
  const mail = `${given}.${family}${random.below(1000)}@example.org`.toLowerCase();
  return `(${id},'${given} ${family}','${mail}','+49 ${random.below(1e9)}','${time(random, id)}',${random.below(2)},${note(random)})`;
}

function time(random: Random, id: number): string {
  return new Date(1_600_000_000_000 + id * 7_000 + random.below(7_000)).toISOString().slice(0, 19).replace("T", " ");
}

function note(random: Random): string {
  if (random.below(3) === 0) return "NULL";
  const words: string[] = [];
  for (let count = 3 + random.below(12); count > 0; count--) words.push(random.pick(plainWords));
  return `'${words.join(" ")}'`;
}
