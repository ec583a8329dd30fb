// Runs Holdfast as people run it: a process of its own, in the folder with the configuration.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "@holdfast/repository";

const program = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface HoldfastParts {
  /** Where `holdfast.yml` is. */
  readonly directory: string;
  readonly cacheDirectory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export class HoldfastProgram {
  readonly #parts: HoldfastParts;
  #said = "";

  constructor(parts: HoldfastParts) {
    this.#parts = parts;
  }

  /** All that it has ever printed. */
  get said(): string {
    return this.#said;
  }

  /** The last object that it prints with `--json`. Throws what it said where its exit code is not 0. */
  async run<Summary>(...words: string[]): Promise<Summary> {
    const { directory, cacheDirectory, environment, signal } = this.#parts;
    signal.throwIfAborted();
    // Nobody's own repository or configuration is meant here.
    const inherited = Object.entries(environment).filter(([name]) => !/^(RESTIC|HOLDFAST)_/.test(name));
    const env = { ...Object.fromEntries(inherited), RESTIC_CACHE_DIR: cacheDirectory };
    // In a group of its own: Ctrl-C reaches it once, from here, and it ends cleanly.
    const child = spawn(process.execPath, [...process.execArgv, program, ...words, "--json"], {
      cwd: directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const end = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", end, { once: true });
    const printed: Buffer[] = [];
    const complained: Buffer[] = [];
    child.stdout.on("data", (bytes: Buffer) => printed.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => complained.push(bytes));
    const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
    signal.removeEventListener("abort", end);
    signal.throwIfAborted();
    const [stdout, stderr] = [printed, complained].map((bytes) => Buffer.concat(bytes).toString("utf8"));
    this.#said += `${stdout}${stderr}`;
    if (code === 0) return lastObject(stdout ?? "") as Summary;
    const { message = stderr } = lastObject(stderr ?? "") as { message?: string };
    throw new HoldfastError("internal", `holdfast ${words.join(" ")} ended with exit code ${String(code)}: ${message}`);
  }
}

function lastObject(text: string): Record<string, unknown> {
  const line = text.split("\n").findLast((each) => each.startsWith("{"));
  return line === undefined ? {} : (JSON.parse(line) as Record<string, unknown>);
}
