// Makes large repositories without the data that would fill them: index files and snapshots as years of use leave them.
import { hash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  encodeSnapshot,
  openStorage,
  parseLocation,
  parseTime,
  createTimeFormatter,
  Repository,
  type Snapshot,
  type Storage,
} from "@holdfast/repository";
import { run } from "./measure.ts";
import { Random } from "./random.ts";
import { commandOf, password, type RepositoryPlace, type Tool } from "./tools.ts";
import { plainWords } from "./words.ts";

/** As many as restic puts into one index file. */
const blobsPerIndex = 50_000;
const packBytes = 16 * 1024 * 1024;
const sealBytes = 32;
const snapshotEveryNs = 15n * 60n * 1_000_000_000n;
const hosts = 20;
const pathsPerHost = 5;

/** A repository with one small snapshot that is really there, to be added to by forging; the directory that is in it. */
export function makeSeed(tool: Tool, place: RepositoryPlace): string {
  const source = join(place.ownDirectory, "source");
  mkdirSync(source, { recursive: true });
  for (const word of plainWords.slice(0, 20)) writeFileSync(join(source, `${word}.txt`), `${word}\n`);
  run(commandOf(tool, place, ["init"]));
  run(commandOf(tool, place, ["backup", source]));
  return source;
}

/** Adds index files that name `count` blobs in packs that do not exist. */
export async function forgeBlobs(place: RepositoryPlace, count: number): Promise<void> {
  await using repository = await openForging(place);
  const blobs = new ForgedBlobs(count);
  while (blobs.left > 0) await repository.saveUnpacked("index", Buffer.from(blobs.nextIndex(), "latin1"));
}

/** Adds `count` snapshots, whose trees are not there, before the one that is: 20 hosts with five sets of paths each, one every 15 minutes. */
export async function forgeSnapshots(place: RepositoryPlace, count: number): Promise<void> {
  await using repository = await openForging(place);
  const { snapshots } = await repository.loadSnapshots();
  const [template] = snapshots;
  if (template === undefined) throw new Error("there is no snapshot to begin with");
  const { id: _id, ...facts } = template;
  const formatTime = createTimeFormatter();
  const first = parseTime(template.time) - snapshotEveryNs * BigInt(count);
  const parents: string[] = [];
  for (let number = 0; number < count; number++) {
    const host = number % hosts;
    const paths = [`/srv/${plainWords[host]}/${plainWords[Math.floor(number / hosts) % pathsPerHost]}`];
    const time = formatTime(first + snapshotEveryNs * BigInt(number));
    const parent = parents[number - hosts * pathsPerHost] ?? null;
    const tree = hash("sha256", `tree ${number}`);
    const snapshot: Snapshot = { ...facts, parent, tree, time, paths, hostname: `server-${host}`, tags: ["daily"] };
    parents.push(await repository.saveUnpacked("snapshot", encodeSnapshot(snapshot)));
  }
}

/** Blobs of three kinds of packs: pieces of large files, many small files, trees. The same in every run. */
class ForgedBlobs {
  left: number;
  readonly #random = new Random(5);
  #made = 0;

  constructor(count: number) {
    this.left = count;
  }

  nextIndex(): string {
    const packs: string[] = [];
    const until = Math.max(0, this.left - blobsPerIndex);
    while (this.left > until) packs.push(this.#pack(this.left - until));
    return `{"packs":[${packs.join(",")}]}\n`;
  }

  #pack(most: number): string {
    const kind = this.#random.below(20);
    const type = kind === 0 ? "tree" : "data";
    const meanBytes = kind === 0 ? 2000 : kind < 4 ? 20_000 : 700_000;
    const blobs: string[] = [];
    for (let offset = 0; offset < packBytes && blobs.length < most;) {
      const length = Math.ceil(meanBytes * (0.5 + this.#random.below(1000) / 1000));
      const plain = Math.ceil(length * (1.2 + this.#random.below(100) / 50));
      // One in eight is of the kind that compression cannot make smaller.
      const plainText = this.#random.below(8) === 0 ? "" : `,"uncompressed_length":${plain}`;
      blobs.push(
        `{"id":"${this.#id()}","type":"${type}","offset":${offset},"length":${length + sealBytes}${plainText}}`,
      );
      offset += length + sealBytes;
    }
    this.left -= blobs.length;
    return `{"id":"${this.#id()}","blobs":[${blobs.join(",")}]}`;
  }

  #id(): string {
    return hash("sha256", `forged ${this.#made++}`);
  }
}

/** What is forged need not outlive a crash: it is written without waiting for the disk. */
function openForging({ directory }: RepositoryPlace): Promise<Repository> {
  const inner = openStorage(parseLocation(directory));
  const folders = { index: "index", snapshot: "snapshots" } as const;
  const storage: Storage = {
    location: inner.location,
    createLayout: () => inner.createLayout(),
    list: (type) => inner.list(type),
    stat: (type, name) => inner.stat(type, name),
    read: (type, name, range) => inner.read(type, name, range),
    put: (type, name, pieces) => {
      if (type !== "index" && type !== "snapshot") return inner.put(type, name, pieces);
      writeFileSync(join(directory, folders[type], name), Buffer.concat(pieces), { mode: 0o600 });
      return Promise.resolve();
    },
    remove: (type, name) => inner.remove(type, name),
    close: () => inner.close(),
  };
  const identity = { hostname: "forge", username: "", uid: 0, gid: 0, pid: process.pid };
  return Repository.open({ storage, password, now: () => new Date(), identity });
}
