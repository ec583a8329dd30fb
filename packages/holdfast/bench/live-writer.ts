// A process that commits transactions to the shop's database at a steady rate, and tells of each, until stdin ends.
import { setTimeout } from "node:timers/promises";
import { OrdersDatabase } from "./orders-database.ts";

const [path = "", perSecond = "200"] = process.argv.slice(2);
const everyMs = 1000 / Number(perSecond);
/** About as often as SQLite does it. */
const commitsBetweenCheckpoints = 125;

let ended = false;
process.stdin.on("end", () => (ended = true)).resume();

using database = new OrdersDatabase(path, 11);
// Otherwise some commit would take as long as a checkpoint does, and nobody could tell the two apart.
database.stopCheckpoints();
let commits = 0;
for (let dueMs = performance.now(); !ended; dueMs += everyMs) {
  const startedMs = performance.now();
  const event = database.updateSome();
  const committedMs = performance.now();
  // Only now it is acknowledged.
  process.stdout.write(`${event} ${performance.timeOrigin + startedMs} ${committedMs - startedMs}`);
  if (++commits % commitsBetweenCheckpoints === 0) {
    database.checkpoint();
    process.stdout.write(` ${performance.now() - committedMs}`);
  }
  process.stdout.write("\n");
  await setTimeout(Math.max(0, dueMs + everyMs - performance.now()));
}
