// A process that writes to the application's database until its standard input ends; prints each transaction's number.
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

const pauseMs = 4;

/** To be run with the path of the database. */
export const writerFile = import.meta.filename;

if (import.meta.main) await write(process.argv[2] ?? "");

async function write(file: string): Promise<void> {
  let ended = false;
  process.stdin.on("end", () => (ended = true)).resume();
  const database = new DatabaseSync(file, { timeout: 60_000 });
  const first = Number(database.prepare("SELECT coalesce(max(id), 0) AS last FROM move").get()?.["last"]) + 1;
  const change = database.prepare("UPDATE account SET balance = balance + ? WHERE id = ?");
  const note = database.prepare("INSERT INTO move VALUES (?, ?, ?, ?)");
  const touch = database.prepare("UPDATE fact SET content = hex(randomblob(110)) WHERE id = ?");
  for (let id = first; !ended; id++) {
    const [giver, taker] = [1 + ((id * 7) % 100), 1 + ((id * 13 + 5) % 100)];
    database.exec("BEGIN IMMEDIATE");
    change.run(-id, giver);
    change.run(id, taker);
    note.run(id, giver, taker, id);
    touch.run(1 + ((id * 7919) % 4000));
    database.exec("COMMIT");
    process.stdout.write(`${id}\n`);
    await sleep(pauseMs);
  }
  database.close();
}
