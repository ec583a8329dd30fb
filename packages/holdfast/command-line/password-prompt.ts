// Asks for a password: hidden on a terminal, a line of standard input elsewhere.

import { HoldfastError } from "@holdfast/repository";

export interface PasswordPrompt {
  readonly isTerminal: boolean;
  /** The typed line, without its end. */
  ask(question: string): Promise<Buffer>;
}

const controlC = 0x03;
const controlD = 0x04;
const controlU = 0x15;
const backspaces = [0x08, 0x7f];
const lineEnds = [0x0a, 0x0d];

/** `signal` ends the waiting, with its reason. Keeps what was typed ahead for the next question. */
export class StreamPrompt implements PasswordPrompt {
  readonly #input: NodeJS.ReadStream;
  readonly #output: { write(text: string): unknown };
  readonly #signal: AbortSignal;
  #ahead: Buffer = Buffer.alloc(0);

  constructor(input: NodeJS.ReadStream, output: { write(text: string): unknown }, signal: AbortSignal) {
    this.#input = input;
    this.#output = output;
    this.#signal = signal;
  }

  get isTerminal(): boolean {
    return this.#input.isTTY;
  }

  async ask(question: string): Promise<Buffer> {
    this.#signal.throwIfAborted();
    if (this.isTerminal) {
      // First, so that what is typed at once is hidden too.
      this.#input.setRawMode(true);
      this.#output.write(question);
    }
    try {
      return await this.#readLine();
    } finally {
      if (this.isTerminal) {
        this.#input.setRawMode(false);
        this.#output.write("\n");
      }
      this.#input.pause();
    }
  }

  #readLine(): Promise<Buffer> {
    const line = new PasswordLine();
    const ended = line.add(this.#ahead);
    if (ended !== null) {
      this.#ahead = ended;
      return Promise.resolve(line.content);
    }
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        this.#input.off("data", onData).off("end", onEnd).off("error", onError);
        this.#signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onData = (bytes: Buffer): void => {
        try {
          const rest = line.add(bytes);
          if (rest === null) return;
          this.#ahead = rest;
          finish(() => resolve(line.content));
        } catch (error) {
          finish(() => reject(error));
        }
      };
      const onEnd = (): void => finish(() => resolve(line.content));
      const onError = (error: Error): void =>
        finish(() => reject(new HoldfastError("usage", "the password could not be read", { cause: error })));
      const onAbort = (): void => finish(() => reject(this.#signal.reason as Error));
      this.#input.on("data", onData).on("end", onEnd).on("error", onError);
      this.#signal.addEventListener("abort", onAbort);
      this.#input.resume();
    });
  }
}

/** The line being typed, with the keys that change it. */
export class PasswordLine {
  #bytes: number[] = [];

  get content(): Buffer {
    return Buffer.from(this.#bytes);
  }

  /** What follows the end of the line, or null when it has not come. Throws `interrupted` on Control-C. */
  add(bytes: Buffer): Buffer | null {
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (lineEnds.includes(byte) || byte === controlD) return bytes.subarray(at + 1);
      if (byte === controlC) throw new HoldfastError("interrupted", "interrupted by Control-C");
      if (byte === controlU) this.#bytes = [];
      else if (backspaces.includes(byte)) this.#eraseCharacter();
      else this.#bytes.push(byte);
    }
    return null;
  }

  /** A character of UTF-8 may be several bytes. */
  #eraseCharacter(): void {
    for (let byte = this.#bytes.pop(); byte !== undefined && (byte & 0xc0) === 0x80; byte = this.#bytes.pop());
  }
}
