// The shop's process as the demo sees it: started, listened to, and ended on every path.
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "@holdfast/repository";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";

const script = fileURLToPath(new URL("shop-writer-main.ts", import.meta.url));

export interface Written {
  readonly transactions: number;
  /** The longest that one of them took, from its beginning to its commit. */
  readonly longestMs: number;
}

export class ShopWriter implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<string>;
  #acknowledged = 0;
  #transactions = 0;
  #longestMs = 0;
  #errorText = "";

  /** Resolves when its first transfer is committed. */
  static async start(database: RawPath): Promise<ShopWriter> {
    const writer = new ShopWriter(database);
    await Promise.race([new Promise((resolve) => writer.#lines.once("line", resolve)), writer.#closed]);
    return writer;
  }

  readonly #lines;

  private constructor(database: RawPath) {
    // In a group of its own: Ctrl-C is for the demo, which ends it.
    const words = ["--disable-warning=ExperimentalWarning", script, bytesOf(database).toString("utf8")];
    const child = spawn(process.execPath, words, { stdio: "pipe", env: {}, detached: true });
    this.#child = child;
    child.stdin.on("error", () => undefined);
    child.stderr.on("data", (bytes: Buffer) => (this.#errorText += bytes.toString()));
    this.#lines = createInterface({ input: child.stdout }).on("line", (line) => this.#hear(line));
    this.#closed = new Promise((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("close", (code, killedBy) => resolve(code === 0 ? "" : `${killedBy ?? code} ${this.#errorText}`));
    });
  }

  /** The number of the last transfer that it has said to be committed. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** What was written since this was called last. */
  take(): Written {
    const written = { transactions: this.#transactions, longestMs: this.#longestMs };
    this.#transactions = 0;
    this.#longestMs = 0;
    return written;
  }

  /** Lets it finish its transaction and end. Throws when it has failed. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    const failure = await this.#closed;
    if (failure !== "") throw new HoldfastError("internal", `the process that writes has failed: ${failure}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }

  #hear(line: string): void {
    const [id = 0, tookMs = 0] = line.split(" ").map(Number);
    this.#acknowledged = id;
    this.#transactions++;
    this.#longestMs = Math.max(this.#longestMs, tookMs);
  }
}
