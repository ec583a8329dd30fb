// Tells the demo step by step: what is under way on a terminal, and a line for what is done.

import type { Output } from "../command-line/output.ts";
import { fit } from "../command-line/display/width.ts";

export interface Timed<T> {
  readonly result: T;
  readonly seconds: number;
}

const frameMs = 100;
const indent = " ".repeat(19);

export class Narrator {
  /** Every line so far. */
  readonly told: string[] = [];
  readonly #output: Output;
  readonly #clock: () => number;

  constructor(output: Output, clock: () => number) {
    this.#output = output;
    this.#clock = clock;
  }

  /** Runs `work`, which may say what share of it is done, and then prints what `tell` makes of its result. */
  async step<T>(
    verb: string,
    work: (show: (share: number | null) => void) => Promise<T> | T,
    tell: (result: T) => readonly string[],
  ): Promise<Timed<T>> {
    const startedMs = this.#clock();
    let share: number | null = null;
    const seconds = (): number => (this.#clock() - startedMs) / 1000;
    // What was said before stands above what is under way.
    this.#output.flush();
    const timer = setInterval(() => this.#show(verb, seconds(), share), frameMs);
    try {
      this.#show(verb, 0, null);
      const result = await work((value) => (share = value));
      this.#output.live?.clear();
      const [first = "", ...rest] = tell(result);
      this.#tell(`${time(seconds())}  ${verb.padEnd(8)}  ${first}`);
      this.say(rest);
      this.#output.flush();
      return { result, seconds: seconds() };
    } finally {
      clearInterval(timer);
      this.#output.live?.clear();
    }
  }

  /** Lines below the last step. */
  say(lines: readonly string[]): void {
    for (const line of lines) this.#tell(indent + line);
  }

  #tell(line: string): void {
    this.told.push(line);
    this.#output.note(line);
  }

  #show(verb: string, seconds: number, share: number | null): void {
    const { live } = this.#output;
    const percent = share === null ? "" : `${Math.floor(100 * Math.min(1, share))} %`;
    live?.show([fit(`${time(seconds)}  ${verb.padEnd(8)}  ${percent}`, live.columns)]);
  }
}

function time(seconds: number): string {
  return `${seconds.toFixed(1).padStart(5)} s`;
}
