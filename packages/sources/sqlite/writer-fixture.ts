// A process that writes: moves amounts between accounts, each move a transaction over two tables, until stdin ends.
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";

const [path = "", perSecond = "200"] = process.argv.slice(2);
const pauseMs = 1000 / Number(perSecond);

let ended = false;
process.stdin.on("end", () => (ended = true)).resume();

const database = new DatabaseSync(path, { timeout: 60_000 });
database.exec("PRAGMA synchronous = NORMAL");
const move = database.prepare("INSERT INTO move (id, giver, taker, amount, memo) VALUES (?, ?, ?, ?, ?)");
const change = database.prepare("UPDATE account SET balance = balance + ? WHERE id = ?");
for (let id = 1; !ended; id++) {
  const giver = 1 + ((id * 7919) % 1000);
  const taker = 1 + ((id * 104729) % 1000);
  database.exec("BEGIN IMMEDIATE");
  change.run(-id, giver);
  change.run(id, taker);
  move.run(id, giver, taker, id, "moved ".repeat(id % 50));
  database.exec("COMMIT");
  process.stdout.write(`${id}\n`);
  await setTimeout(pauseMs);
}
database.close();
