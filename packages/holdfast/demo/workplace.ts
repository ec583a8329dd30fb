// The demo's own directory: made for it, seen by nobody else, and gone afterwards unless it is to be kept.

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import { bytesOf, rawPath, type RawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";

const usualPlaces = ["/tmp", "/var/tmp"];
/** For the database and its copies. */
const spareBytes = 256 * 1024 * 1024;

export class Workplace implements AsyncDisposable {
  readonly directory: string;
  readonly #isKept: boolean;

  private constructor(directory: string, isKept: boolean) {
    this.directory = directory;
    this.#isKept = isKept;
  }

  /** `keep`: an absolute path that is not there yet, or an empty directory. */
  static create(keep: string | undefined, environment: NodeJS.ProcessEnv): Workplace {
    if (keep !== undefined) return new Workplace(emptyDirectory(keep), true);
    const wanted = environment["TMPDIR"];
    const places = wanted === undefined || wanted === "" ? usualPlaces : [wanted];
    const [roomiest = "/tmp"] = places.toSorted((left, right) => freeBytes(right) - freeBytes(left));
    return new Workplace(mkdtempSync(join(roomiest, "holdfast-demo-")), false);
  }

  get repository(): string {
    return join(this.directory, "repository");
  }

  get passwordFile(): string {
    return join(this.directory, "password");
  }

  get configurationFile(): string {
    return join(this.directory, "holdfast.yml");
  }

  at(name: string): RawPath {
    return rawPath(join(this.directory, name));
  }

  /** Writes a new random password to a file of mode 0600 and returns it. */
  makePassword(): string {
    const password = randomBytes(24).toString("base64url");
    writeFileSync(this.passwordFile, `${password}\n`, { mode: 0o600, flag: "wx" });
    return password;
  }

  /** The copy, what is stored of it, two restored copies that are put aside, and one more are there at once. */
  requireSpace(sizeBytes: number): void {
    const needed = 5 * sizeBytes + spareBytes;
    const free = freeBytes(this.directory);
    if (free >= needed) return;
    const inMiB = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
    throw new HoldfastError(
      "no-space",
      `the demo needs ${inMiB(needed)} in ${this.directory}; ${inMiB(free)} are free`,
      {
        hint: "give a smaller path, or set TMPDIR to a directory with more space",
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isKept) await removeTree(rawPath(this.directory));
  }
}

function emptyDirectory(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (readdirSync(bytesOf(rawPath(path))).length === 0) return path;
  } catch (error) {
    throw new HoldfastError("usage", `${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
  throw new HoldfastError("usage", `${path} is not empty`, { hint: "give --keep a directory that is not there yet" });
}

/** What this process may still write; 0 where there is no such place. */
function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
