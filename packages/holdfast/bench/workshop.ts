// Where the measuring is done: repositories made, used in turn by both tools, examined, and removed again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DataSets, warm } from "./data-sets.ts";
import { measure, type Measurement, run, settle } from "./measure.ts";
import type { Comparison } from "./results.ts";
import { commandOf, type RepositoryPlace, type Tool, type ToolName } from "./tools.ts";

export interface WorkshopOptions {
  readonly tools: Readonly<Record<ToolName, Tool>>;
  readonly dataSets: DataSets;
  /** On a disk; removed at the end. */
  readonly directory: string;
  /** In memory; removed at the end. */
  readonly memoryDirectory: string;
  readonly runs: number;
  readonly say: (message: string) => void;
}

export type Places = Readonly<Record<ToolName, RepositoryPlace>>;

/** Repositories of both tools with the same contents, and how the last of several backups into each went. */
export interface Backups {
  readonly places: Places;
  readonly comparison: Comparison;
  readonly bytes: Readonly<Record<ToolName, number>>;
  /** In Holdfast's repository. */
  readonly blobs: number;
}

export const toolNames: readonly ToolName[] = ["holdfast", "restic"];

export class Workshop {
  readonly tools: Readonly<Record<ToolName, Tool>>;
  readonly dataSets: DataSets;
  readonly directory: string;
  readonly memoryDirectory: string;
  readonly runs: number;
  readonly say: (message: string) => void;
  #mixed: Promise<Backups> | null = null;

  constructor(options: WorkshopOptions) {
    this.tools = options.tools;
    this.dataSets = options.dataSets;
    this.directory = options.directory;
    this.memoryDirectory = options.memoryDirectory;
    this.runs = options.runs;
    this.say = options.say;
    mkdirSync(options.directory, { recursive: true });
  }

  /** Fresh backups of the 1.5 GiB of mixed files, measured once for all cases that use them. */
  mixedBackups(): Promise<Backups> {
    const path = this.dataSets.mixed(1);
    this.#mixed ??= this.freshBackups("mixed", [path], undefined, this.runs);
    return this.#mixed;
  }

  /** Backs the paths up, or the piped file, into new repositories, in turn; the last ones stay. */
  async freshBackups(label: string, paths: readonly string[], pipedFile?: string, runs = this.runs): Promise<Backups> {
    warm(pipedFile === undefined ? paths : [pipedFile]);
    const places = this.#places(label);
    const words =
      pipedFile === undefined ? ["backup", ...paths] : ["backup", "--stdin", "--stdin-filename", "dump.sql"];
    const comparison = await this.compare(
      `${label}: backup`,
      async (tool) => {
        this.#make(tool, places[tool.name]);
        settle();
        return measure(commandOf(tool, places[tool.name], words, pipedFile));
      },
      runs,
    );
    this.#requireSameContents(places);
    const bytes = { holdfast: treeBytes(places.holdfast.directory), restic: treeBytes(places.restic.directory) };
    return { places, comparison, bytes, blobs: this.countBlobs(places.holdfast) };
  }

  /** Lets the tools take turns, the one that begins changing from run to run. */
  async compare(label: string, once: (tool: Tool) => Promise<Measurement>, runs = this.runs): Promise<Comparison> {
    const comparison: Record<ToolName, Measurement[]> = { holdfast: [], restic: [] };
    for (let number = 0; number < runs; number++) {
      for (const name of number % 2 === 0 ? toolNames : toolNames.toReversed()) {
        const measured = await once(this.tools[name]);
        comparison[name].push(measured);
        this.say(`${label}, run ${number + 1} of ${runs}, ${name}: ${brief(measured)}`);
      }
    }
    return comparison;
  }

  /** Uses the repositories of both tools in turn. `after` is not measured. */
  async compareUse(
    label: string,
    places: Places,
    words: readonly string[],
    after: (tool: Tool) => void = () => {},
  ): Promise<Comparison> {
    return this.compare(label, async (tool) => {
      settle();
      const measured = await measure(commandOf(tool, places[tool.name], words));
      after(tool);
      return measured;
    });
  }

  /** How many blobs the repository holds, asked of restic. */
  countBlobs(place: RepositoryPlace): number {
    return this.#stats(place, "--mode", "raw-data").total_blob_count;
  }

  /** Where repositories of both tools will be; nothing is there. */
  emptyPlaces(label: string): Places {
    const places = this.#places(label);
    this.removeRepositories({ places });
    return places;
  }

  /** Empty repositories of both tools. */
  newRepositories(label: string): Places {
    const places = this.#places(label);
    for (const name of toolNames) this.#make(this.tools[name], places[name]);
    return places;
  }

  removeRepositories({ places }: { readonly places: Places }): void {
    for (const place of Object.values(places)) remove(place);
  }

  /** What restic reads of a file in the latest snapshot. */
  async readBack(place: RepositoryPlace, path: string, into: Writable): Promise<void> {
    const { program, words, environment } = commandOf(this.tools.restic, place, ["dump", "--no-cache", "latest", path]);
    const child = spawn(program, words, { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    await pipeline(child.stdout, into);
    const [exitCode] = (await ended) as [number | null];
    if (exitCode !== 0) throw new Error(`restic dump ${path} ended with ${exitCode}`);
  }

  requireFree(directory: string, gibibytes: number): void {
    const status = statfsSync(directory);
    const free = (status.bavail * status.bsize) / 2 ** 30;
    if (free < gibibytes) throw new Error(`${directory} has ${free.toFixed(1)} GiB free; this case needs ${gibibytes}`);
  }

  #places(label: string): Places {
    const placeOf = (name: ToolName): RepositoryPlace => {
      const directory = join(this.directory, `${label}-${name}`);
      return { directory, cacheDirectory: `${directory}.cache`, ownDirectory: `${directory}.own` };
    };
    return { holdfast: placeOf("holdfast"), restic: placeOf("restic") };
  }

  #make(tool: Tool, place: RepositoryPlace): void {
    remove(place);
    run(commandOf(tool, place, ["init"]));
  }

  /** Whoever leaves files out is fast. */
  #requireSameContents(places: Places): void {
    const [ours, theirs] = [this.#stats(places.holdfast, "latest"), this.#stats(places.restic, "latest")];
    if (ours.total_size !== theirs.total_size || ours.total_file_count !== theirs.total_file_count) {
      throw new Error(`the snapshots differ: Holdfast ${JSON.stringify(ours)}, restic ${JSON.stringify(theirs)}`);
    }
  }

  #stats(
    place: RepositoryPlace,
    ...words: string[]
  ): { total_size: number; total_file_count: number; total_blob_count: number } {
    const command = commandOf(this.tools.restic, place, ["stats", "--json", "--no-cache", ...words]);
    return JSON.parse(run(command)) as { total_size: number; total_file_count: number; total_blob_count: number };
  }
}

function remove(place: RepositoryPlace): void {
  rmSync(place.directory, { recursive: true, force: true });
  rmSync(place.cacheDirectory, { recursive: true, force: true });
  rmSync(place.ownDirectory, { recursive: true, force: true });
}

export function treeBytes(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}

export function brief({ wallMs, cpuMs, peakBytes }: Measurement): string {
  return `${(wallMs / 1000).toFixed(2)} s, ${(cpuMs / 1000).toFixed(2)} s CPU, ${Math.round(peakBytes / 2 ** 20)} MiB`;
}
