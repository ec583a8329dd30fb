// The plain restic of this machine, if there is one.

import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { HoldfastError } from "@holdfast/repository";

const runFile = promisify(execFile);
const maximumOutputBytes = 64 * 1024 * 1024;

export interface ResticParts {
  readonly repository: string;
  readonly passwordFile: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export class ResticProgram {
  readonly version: string;
  readonly #program: string;
  readonly #parts: ResticParts;

  private constructor(program: string, version: string, parts: ResticParts) {
    this.#program = program;
    this.version = version;
    this.#parts = parts;
  }

  /** Null where PATH has none. */
  static async find(parts: ResticParts): Promise<ResticProgram | null> {
    const program = (parts.environment["PATH"] ?? "")
      .split(delimiter)
      .filter((directory) => directory !== "")
      .map((directory) => join(directory, "restic"))
      .find(isExecutable);
    if (program === undefined) return null;
    const { stdout } = await runFile(program, ["version"], { signal: parts.signal });
    return new ResticProgram(program, /restic (\S+)/.exec(stdout)?.[1] ?? "of unknown version", parts);
  }

  /** Of all that it sees. */
  async snapshotIds(): Promise<string[]> {
    return (JSON.parse(await this.#run("snapshots", "--json")) as { id: string }[]).map(({ id }) => id);
  }

  async check(): Promise<void> {
    await this.#run("check", "--read-data");
  }

  async restore(snapshotId: string, target: string): Promise<void> {
    await this.#run("restore", snapshotId, "--target", target);
  }

  /** True from this version on; builds of developers count as older. */
  isAtLeast(major: number, minor: number): boolean {
    const [ownMajor = 0, ownMinor = 0] = this.version.split(".").map((part) => Number.parseInt(part, 10));
    return ownMajor > major || (ownMajor === major && ownMinor >= minor);
  }

  async #run(...words: string[]): Promise<string> {
    const { repository, passwordFile, environment, signal } = this.#parts;
    const common = ["--repo", repository, "--password-file", passwordFile, "--no-cache"];
    // Nobody's own repository is meant here.
    const inherited = Object.entries(environment).filter(([name]) => !name.startsWith("RESTIC_"));
    const env = Object.fromEntries(inherited);
    try {
      const { stdout } = await runFile(this.#program, [...common, ...words], {
        env,
        signal,
        maxBuffer: maximumOutputBytes,
      });
      return stdout;
    } catch (error) {
      signal.throwIfAborted();
      const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1);
      throw new HoldfastError("target", `restic ${words[0]} failed: ${said ?? (error as Error).message}`, {
        cause: error,
      });
    }
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
