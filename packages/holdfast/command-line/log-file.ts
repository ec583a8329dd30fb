// The log file of a configuration: what people were told, line by line with its time, kept within bounds.
import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { printableText } from "./display/printable.ts";

const rotateAtBytes = 10 * 1024 * 1024;
/** `FILE.1` is the newest of the older ones. */
const olderFiles = 5;
/** Messages speak of paths and hosts: for the owner only. */
const fileMode = 0o600;
const directoryMode = 0o755;

export type LogLevel = "info" | "warning" | "error";

export interface LogOptions {
  readonly now: () => Date;
  /** Told once, when a line cannot be written: the work goes on without the log. */
  readonly whenBroken: (message: string) => void;
}

/**
 * Each line is opened, appended and closed: several processes may write one file, and a crash loses nothing that was
 * said. Rotated when a process begins with it, by renaming.
 */
export class LogFile {
  readonly #path: string;
  readonly #options: LogOptions;
  #isBroken = false;

  constructor(path: string, options: LogOptions) {
    this.#path = path;
    this.#options = options;
    this.#try(() => {
      makeDirectory(dirname(path));
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= rotateAtBytes) this.#rotate();
    });
  }

  write(level: LogLevel, text: string): void {
    const time = this.#options.now().toISOString();
    const line = `${time} [${process.pid}] ${level}: ${printableText(text).replaceAll("\n", "\\n")}\n`;
    this.#try(() => appendFileSync(this.#path, line, { mode: fileMode }));
  }

  #rotate(): void {
    for (let number = olderFiles - 1; number >= 0; number--) {
      const from = number === 0 ? this.#path : `${this.#path}.${number}`;
      try {
        renameSync(from, `${this.#path}.${number + 1}`);
      } catch (error) {
        // There are not so many yet, or another process is rotating, too.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }

  #try(work: () => void): void {
    if (this.#isBroken) return;
    try {
      work();
    } catch (error) {
      this.#isBroken = true;
      const { code } = error as NodeJS.ErrnoException;
      this.#options.whenBroken(`the log file ${this.#path} cannot be written (${code}): going on without it`);
    }
  }
}

/** One level only: a longer way that is missing is more likely a wrong path than a wish. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, directoryMode);
}
