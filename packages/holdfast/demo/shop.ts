// The small application that the demo protects: a database, uploads, certificates, and settings with a secret.
import { randomBytes } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import type { SystemCalls } from "@holdfast/repository";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";
import { compareFacts, type Aspect, type Comparison } from "./compare-facts.ts";
import { inspectShop, makeShopDatabase, ShopConnection, type ShopState } from "./shop-database.ts";
import { readTreeFacts, type EntryFacts, type TreeFacts } from "./tree-facts.ts";
import type { Workplace } from "./workplace.ts";

/** The sources of the stack, and where each lies in the application's folder. */
const partNames = {
  database: "shop.db",
  uploads: "uploads",
  certificates: "certificates",
  settings: "settings.yml",
} as const;

export type Part = keyof typeof partNames;
const fileParts = ["uploads", "certificates", "settings"] as const;
const firstTransfers = 60_000;
const pageBytes = 4096;

/** What a recovery must bring back. */
export interface Expected {
  readonly facts: TreeFacts;
  /** Transfers up to this one were acknowledged before the capture began. */
  readonly acknowledged: number;
  /** How many there were at the capture; null until a recovery has told. */
  readonly rows: number | null;
}

export interface Verdict {
  readonly files: Comparison;
  readonly shop: ShopState;
}

export class Shop {
  readonly secret = `sk_live_${randomBytes(24).toString("base64url")}`;
  readonly #place: Workplace;
  readonly #calls: SystemCalls;
  readonly #signal: AbortSignal;

  constructor(place: Workplace, calls: SystemCalls, signal: AbortSignal) {
    this.#place = place;
    this.#calls = calls;
    this.#signal = signal;
  }

  get folder(): RawPath {
    return this.#place.at("app");
  }

  at(part: Part): RawPath {
    return `${this.folder}/${partNames[part]}`;
  }

  /** All but the uploads. Returns the size of the database in bytes. */
  build(): number {
    mkdirSync(bytesOf(this.at("certificates")), { recursive: true, mode: 0o700 });
    const certificate = { account: "shop", key: randomBytes(1200).toString("base64") };
    const write = (path: RawPath, text: string): void => writeFileSync(bytesOf(path), text, { mode: 0o600 });
    write(`${this.at("certificates")}/acme.json`, `${JSON.stringify(certificate, null, 2)}\n`);
    write(this.at("settings"), `listen: 127.0.0.1:8080\npayment_key: ${this.secret}\n`);
    makeShopDatabase(this.at("database"), firstTransfers);
    return statSync(bytesOf(this.at("database"))).size;
  }

  /** `holdfast.yml`. */
  configuration(): string {
    // JSON is YAML; Holdfast would put variables in.
    const quoted = (path: string): string => JSON.stringify(path.replaceAll("${", "$${"));
    const shown = (path: RawPath): string => quoted(bytesOf(path).toString("utf8"));
    const place = (name: string): string => shown(this.#place.at(name));
    return [
      `state_directory: ${place("state")}`,
      "repositories:",
      `  local: { url: ${place("repository")}, password_file: ${place("password")} }`,
      "stacks:",
      "  shop:",
      "    sources:",
      `      database: { sqlite: ${shown(this.at("database"))} }`,
      ...fileParts.map((part) => `      ${part}: { files: [${shown(this.at(part))}] }`),
      "    plans: { daily: { to: { local: {} } } }",
      "",
    ].join("\n");
  }

  /** Facts of all files but the database, by `PART/PATH`. `pathOf` says where each part is. */
  async readFacts(pathOf = (part: Part): RawPath => this.at(part)): Promise<TreeFacts> {
    const facts = new Map<RawPath, EntryFacts>();
    for (const part of fileParts) {
      if (!existsSync(bytesOf(pathOf(part)))) continue;
      for (const [path, of] of await readTreeFacts(pathOf(part), this.#calls, this.#signal)) {
        facts.set(path === "" ? part : `${part}/${path}`, of);
      }
    }
    return facts;
  }

  /** Those of the uploads, by their paths below them. */
  uploadsOf(facts: TreeFacts): TreeFacts {
    const prefix = "uploads/";
    const own = [...facts].filter(([path]) => path.startsWith(prefix));
    return new Map(own.map(([path, of]) => [path.slice(prefix.length), of]));
  }

  /** Compares what is there with what must be there. */
  async verify(
    { facts, acknowledged, rows }: Expected,
    pathOf = (part: Part): RawPath => this.at(part),
    ignored?: (path: RawPath, aspect: Aspect) => boolean,
  ): Promise<Verdict> {
    const files = compareFacts(facts, await this.readFacts(pathOf), ignored);
    const shop = inspectShop(pathOf("database"), acknowledged);
    const isOther = rows !== null && shop.rows !== rows;
    const problems = isOther ? [...shop.problems, `${shop.rows} transfers instead of ${rows}`] : shop.problems;
    return { files, shop: { ...shop, problems } };
  }

  /** Takes a copy of the log of now, to be found again beside a newer database. */
  keepLog(): void {
    copyFileSync(bytesOf(`${this.at("database")}-wal`), bytesOf(this.#place.at("old-wal")));
  }

  deleteRows(): number {
    using connection = new ShopConnection(this.at("database"));
    return connection.deleteTransfers();
  }

  /** In the middle of the file. Returns the number of the page. */
  overwritePage(): number {
    const file = bytesOf(this.at("database"));
    const page = Math.floor(statSync(file).size / pageBytes / 2);
    const descriptor = openSync(file, "r+");
    try {
      writeSync(descriptor, randomBytes(pageBytes), 0, pageBytes, page * pageBytes);
    } finally {
      closeSync(descriptor);
    }
    return page + 1;
  }

  async removeFiles(): Promise<number> {
    return (await this.#remove(this.at("uploads"))) + (await this.#remove(this.at("certificates")));
  }

  /** And leaves, where the database was, the log of an older one. */
  async removeAll(): Promise<number> {
    let removed = 0;
    for (const name of readdirSync(bytesOf(this.folder), { encoding: "latin1" }))
      removed += await this.#remove(`${this.folder}/${name}`);
    this.#plant(this.at("database"));
    return removed;
  }

  /** What a restore that leaves the old log beside the database would have given. The log is not needed again. */
  async inspectTrap(): Promise<ShopState> {
    const folder = this.#place.at("trap");
    const copy = `${folder}/shop.db`;
    mkdirSync(bytesOf(folder));
    copyFileSync(bytesOf(this.at("database")), bytesOf(copy));
    this.#plant(copy);
    const found = inspectShop(copy, 0);
    await this.#remove(folder);
    await this.#remove(this.#place.at("old-wal"));
    return found;
  }

  #plant(database: RawPath): void {
    copyFileSync(bytesOf(this.#place.at("old-wal")), bytesOf(`${database}-wal`));
  }

  #remove(path: RawPath): Promise<number> {
    return removeTree(path, this.#signal);
  }
}
