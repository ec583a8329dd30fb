// Reads a pipe, a socket, a terminal or a file from an open descriptor, as much at a time as there is.

import { read, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { pollIn, setPipeSize, type SystemCalls } from "./system-calls.ts";

/** What anybody may ask for (/proc/sys/fs/pipe-max-size); a pipe holds 64 KiB unless told otherwise. */
const pipeBytes = 1024 * 1024;
/** How long an order to stop may go unnoticed while nothing comes. */
const waitMs = 100;
/** Where waiting for input is not possible, and the descriptor is in a mode where reading does not wait. */
const retryMs = 5;

const readInPool = promisify(read);

/**
 * Does not own the descriptor. Handing a read to another thread and taking over its result costs more than the read
 * itself, so that is done only when nothing is there to be read: then what gathers meanwhile comes in one piece.
 */
export class DescriptorReader {
  readonly #descriptor: number;
  readonly #system: SystemCalls;

  constructor(descriptor: number, system: SystemCalls) {
    this.#descriptor = descriptor;
    this.#system = system;
    // What is no pipe, or may not be made larger, stays as it is.
    system.fcntl(descriptor, setPipeSize, pipeBytes);
  }

  /**
   * Fills the beginning of `into` with what is there, waiting for the first byte; 0 at the end. Throws system errors
   * as Node does, and the reason of `signal` soon after it aborts (where libc cannot be called and reading waits:
   * when something comes). One call at a time.
   */
  async read(into: Buffer, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      const ready = this.#system.poll(this.#descriptor, pollIn);
      if (ready === 0) await this.#system.pollLater(this.#descriptor, pollIn, waitMs);
      else {
        const got = await this.#attempt(into, ready > 0);
        if (got !== null) return got;
      }
    }
  }

  /** Null when nothing was there after all. A file on a slow disk holds the thread no longer than a full pipe. */
  async #attempt(into: Buffer, ready: boolean): Promise<number | null> {
    try {
      const most = Math.min(into.length, pipeBytes);
      if (ready) return readSync(this.#descriptor, into, 0, most, null);
      return (await readInPool(this.#descriptor, into, 0, most, null)).bytesRead;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN" && code !== "EINTR") throw error;
      await sleep(retryMs);
      return null;
    }
  }
}
