// SIGINT, SIGTERM and SIGHUP: the first asks the work to end cleanly, the second ends the process at once.

import { closeSync, openSync } from "node:fs";
import { HoldfastError } from "@holdfast/repository";
import { exitCodes } from "../exit-codes.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Aborts `signal` with an `interrupted` error. Disposing takes the handlers away again. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #hadTerminal = hasTerminal();
  readonly #ignoresHangUp: boolean;
  readonly #handler = (name: NodeJS.Signals): void => {
    if (name === "SIGHUP" && !this.#isHungUp()) return;
    if (this.#controller.signal.aborted) process.exit(exitCodes.interrupted);
    this.abort(new HoldfastError("interrupted", `interrupted by ${name}`));
  };

  /** `ignoresHangUp`: it was started to outlive its terminal, as by nohup, which Node itself forgets. */
  constructor(ignoresHangUp: boolean) {
    this.#ignoresHangUp = ignoresHangUp;
    for (const name of signals) process.on(name, this.#handler);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: HoldfastError): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.off(name, this.#handler);
  }

  /**
   * `restic unlock` sends SIGHUP to the owner of every lock of its host, only to learn whether it lives, and ignores it
   * itself. So it counts when it comes from where it is meant to: a terminal that has gone.
   */
  #isHungUp(): boolean {
    return !this.#ignoresHangUp && this.#hadTerminal && !hasTerminal();
  }
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
