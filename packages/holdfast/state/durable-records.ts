// A directory of small JSON files, one a record, each whole and on the disk or not there at all.
import { randomBytes } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "@holdfast/repository";
import type { z } from "zod";
import type { FileOperations } from "./file-operations.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { isRunning, ownIdentity } from "./process-identity.ts";
import { failure, systemCode } from "./system-failure.ts";

/** A file that is no record this program can read. It is left where it is. */
export interface UnreadableRecord {
  readonly path: string;
  readonly error: HoldfastError;
}

const recordPattern = /^[0-9a-z-]+\.json$/;
/** While a record is being written: its name, the process, and something random. */
const unfinishedPattern = /^[0-9a-z-]+\.json\.(\d+)-(\d+)-[0-9a-f]+\.unfinished$/;

export class DurableRecords<Content> {
  readonly directory: string;
  readonly #schema: z.ZodType<Content>;
  readonly #version: number;
  readonly #files: FileOperations;

  /** `directory` exists. `version` stands in each file; a higher one is never read as if it were ours. */
  constructor(directory: string, schema: z.ZodType<Content>, version: number, files: FileOperations) {
    this.directory = directory;
    this.#schema = schema;
    this.#version = version;
    this.#files = files;
  }

  /** Ids sort by time: `YYYYMMDDTHHMMSSmmm` in UTC, and something random. */
  static newId(now: Date): string {
    return `${now
      .toISOString()
      .replace(/[-:.Z]/g, "")
      .toLowerCase()}-${randomBytes(6).toString("hex")}`;
  }

  /** Resolves when the record is on the disk; one with the same id is replaced. Throws `no-space` and such. */
  async write(id: string, content: Content): Promise<void> {
    const path = this.#path(id);
    const { pid, startTicks } = ownIdentity();
    const unfinished = `${path}.${pid}-${startTicks}-${randomBytes(4).toString("hex")}.unfinished`;
    const bytes = Buffer.from(`${JSON.stringify({ version: this.#version, content }, null, 2)}\n`);
    try {
      try {
        await this.#files.write(unfinished, bytes);
        await this.#files.replace(unfinished, path);
      } catch (error) {
        await this.#files.remove(unfinished).catch(() => undefined);
        throw error;
      }
      await this.#files.sync(this.directory);
    } catch (error) {
      throw failure(error, `write ${path}`);
    }
  }

  /** Resolves when the record is gone for good; a missing one is no error. */
  async remove(id: string): Promise<void> {
    try {
      await this.#files.remove(this.#path(id)).catch((error: unknown) => {
        if (systemCode(error) !== "ENOENT") throw error;
      });
      await this.#files.sync(this.directory);
    } catch (error) {
      throw failure(error, `remove ${this.#path(id)}`);
    }
  }

  /** All records, the oldest first, and every file that is none. */
  async list(): Promise<{ records: { id: string; content: Content }[]; unreadable: UnreadableRecord[] }> {
    const records: { id: string; content: Content }[] = [];
    const unreadable: UnreadableRecord[] = [];
    for (const name of (await this.#names()).sort()) {
      if (await this.#isUnfinished(name)) continue;
      const path = join(this.directory, name);
      try {
        const content = await this.#read(name);
        if (content !== null) records.push({ id: name.slice(0, -".json".length), content });
      } catch (error) {
        unreadable.push({ path, error: failure(error, `read ${path}`) });
      }
    }
    return { records, unreadable };
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      throw failure(error, `read ${this.directory}`);
    }
  }

  /**
   * A file that is being written is no record yet: nobody was told that it is one, so nothing was done on its
   * strength. What a process that is gone left of it is removed.
   */
  async #isUnfinished(name: string): Promise<boolean> {
    const match = unfinishedPattern.exec(name);
    if (match === null) return false;
    const writer: ProcessIdentity = { ...ownIdentity(), pid: Number(match[1]), startTicks: Number(match[2]) };
    // One that cannot be removed harms nothing.
    if (!isRunning(writer)) await this.#files.remove(join(this.directory, name)).catch(() => undefined);
    return true;
  }

  /** Null when it was removed meanwhile. */
  async #read(name: string): Promise<Content | null> {
    const path = join(this.directory, name);
    const bad = (problem: string): HoldfastError =>
      new HoldfastError("damaged", `${path} ${problem}`, { hint: unreadableHint, context: { path } });
    if (!recordPattern.test(name)) throw bad("is no record of Holdfast");
    let text: string;
    try {
      // A pipe or a device would never end.
      if (!(await lstat(path)).isFile()) throw bad("is no file");
      text = await readFile(path, "utf8");
    } catch (error) {
      if (systemCode(error) === "ENOENT") return null;
      throw error;
    }
    const value = parseJson(text);
    if (typeof value !== "object" || value === null || !("version" in value)) throw bad("is torn or damaged");
    if (typeof value.version === "number" && value.version > this.#version) {
      throw new HoldfastError("unsupported", `${path} was written by a newer version of Holdfast`, {
        hint: "run that version once: it finishes what it began",
        context: { path },
      });
    }
    const parsed = this.#schema.safeParse("content" in value ? value.content : undefined);
    if (value.version !== this.#version || !parsed.success) throw bad("is not what Holdfast writes there");
    return parsed.data;
  }

  #path(id: string): string {
    return join(this.directory, `${id}.json`);
  }
}

const unreadableHint =
  "it may say what an interrupted run left to be undone: look at it, see that all services run and all data stands " +
  "where it belongs, then move it away";

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
