// The process that holds the locks of one database: it answers questions until it is told to end, or its parent does.
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { readHeader } from "./database-file.ts";
import { connect, Pin } from "./pin.ts";
import type { Examined, Failure, Question, Reply, Request } from "./process-messages.ts";
import { messageOf, resultCode } from "./sql-access.ts";
import { examine } from "./witness.ts";

const heapLimits = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

let pin: Pin | null = null;
/** What still needs the transaction. Other sources may be read for hours after, while writers of this one wait. */
const needs = new Set(["read", "witness"]);

async function answer(question: Question): Promise<unknown> {
  switch (question.kind) {
    case "pin":
      pin = Pin.take(Buffer.from(question.path, "base64"), question.busyTimeoutMs);
      return pin.state;
    case "read": {
      const held = pin !== null && pin.isHeld();
      done("read");
      return { held };
    }
    case "witness": {
      if (pin === null) throw new Error("nothing is pinned");
      const { journal } = pin.state;
      // Without a log, writers wait for the end of the transaction: the drill makes the full check then.
      const examined = await examine(pin.database, journal, journal === "wal" ? "full" : "quick", setImmediate);
      done("witness");
      return examined;
    }
    case "release":
      done("read");
      done("witness");
      return {};
    case "examine":
      return examineCopy(Buffer.from(question.path, "base64"));
  }
}

function done(need: "read" | "witness"): void {
  needs.delete(need);
  if (needs.size > 0) return;
  pin?.release();
  pin = null;
}

function examineCopy(path: Buffer): Promise<Examined> {
  const journal = readHeader(path)?.journal ?? "rollback";
  return examine(connect(path, "immutable", 0), journal, "full", setImmediate);
}

async function reply(request: Request): Promise<void> {
  let message: Reply;
  try {
    message = { id: request.id, answer: await answer(request) };
  } catch (error) {
    const failure: Failure = { message: messageOf(error), sqlite: resultCode(error) };
    message = { id: request.id, failure };
  }
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

flushCompileCache();
const lifeline = new Worker(new URL("process-lifeline.ts", import.meta.url), { resourceLimits: heapLimits });
lifeline.on("error", () => process.kill(process.pid, "SIGKILL"));
createInterface({ input: process.stdin }).on("line", (line) => void reply(JSON.parse(line) as Request));
