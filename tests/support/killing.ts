// Kills programs at random moments, and watches what becomes of the processes that they had started.
import { setTimeout as sleep } from "node:timers/promises";
import type { Outcome, Running } from "./programs.ts";
import { isAlive, pinProcessesOf, until } from "./stack-place.ts";

/** The processes that hold databases end by themselves within this. */
const pinEndsMs = 3000;

/** Watches which processes hold databases for a run. */
export class PinWatch implements AsyncDisposable {
  readonly seen = new Set<number>();
  readonly #done = new AbortController();
  readonly #watching: Promise<void>;

  constructor(pid: number) {
    this.#watching = (async () => {
      while (!this.#done.signal.aborted) {
        for (const pin of pinProcessesOf(pid)) this.seen.add(pin);
        await sleep(2);
      }
    })();
  }

  async gone(): Promise<void> {
    await until("the end of the processes that held databases", () => ![...this.seen].some(isAlive), pinEndsMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#done.abort();
    await this.#watching;
  }
}

/** Kills the process, and only it, within this time, which begins with its start, or once `from` holds. */
export async function killAtRandom(
  running: Running,
  withinMs: number,
  from: () => boolean = () => true,
): Promise<{ outcome: Outcome; waitMs: number }> {
  const hasEnded = (): boolean => running.child.exitCode !== null;
  await until("the moment from which on it may be killed", () => from() || hasEnded());
  const waitMs = Math.floor(Math.random() * withinMs);
  await Promise.race([sleep(waitMs), running.ended()]);
  running.kill("SIGKILL");
  return { outcome: await running.ended(), waitMs };
}
