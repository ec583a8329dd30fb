// The process of the demo's shop: writes some 200 transfers a second until its standard input ends.
import { setTimeout } from "node:timers/promises";
import { rawPath } from "../filesystem/raw-path.ts";
import { ShopConnection } from "./shop-database.ts";

const pauseMs = 5;

let ended = false;
// It also ends when whoever started this is gone.
process.stdin.on("end", () => (ended = true)).resume();

using shop = new ShopConnection(rawPath(process.argv[2] ?? ""));
for (let dueMs = performance.now(); !ended; dueMs = Math.max(dueMs + pauseMs, performance.now() - pauseMs)) {
  await setTimeout(Math.max(0, dueMs - performance.now()));
  const startedMs = performance.now();
  const id = shop.transfer();
  // The acknowledgement: what is said here is durable, and must be in every later recovery point.
  process.stdout.write(`${id} ${performance.now() - startedMs}\n`);
}
