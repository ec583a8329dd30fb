// A repository that restic makes and judges, for the tests beside this file: two snapshots of a small source.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyFile } from "../format/key-file.ts";
import { LocalStorage } from "../storage/local.ts";
import { Repository } from "../store/repository.ts";

export const password = "correct horse battery staple";
export const identity = { hostname: "test-host", username: "tester", uid: 0, gid: 0, pid: process.pid };

export function requiredBinary(variable: string): string {
  const path = process.env[variable];
  assert.ok(path, `set ${variable} to the path of a restic binary`);
  return path;
}

export class ResticRepository implements Disposable {
  readonly work = mkdtempSync(join(tmpdir(), "holdfast-check-"));
  readonly directory = join(this.work, "repository");
  readonly source = join(this.work, "source");
  readonly #binary: string;

  private constructor(binary: string) {
    this.#binary = binary;
    mkdirSync(this.source);
  }

  /** An empty repository with `keys` keys that are cheap to derive, since tests open it many times. */
  static async make(binary: string, version: 1 | 2, keys = 1): Promise<ResticRepository> {
    const made = new ResticRepository(binary);
    made.run("init", "--repository-version", String(version));
    await made.#makeKeysCheap(keys);
    return made;
  }

  /** The output of a restic command that succeeds. */
  run(...words: string[]): string {
    return this.runWith(this.#binary, ...words);
  }

  runWith(binary: string, ...words: string[]): string {
    return this.#run(binary, password, words);
  }

  runAs(word: string, ...words: string[]): string {
    return this.#run(this.#binary, word, words);
  }

  #run(binary: string, word: string, words: readonly string[]): string {
    return execFileSync(binary, ["-r", this.directory, "--no-cache", ...words], {
      env: this.#env(word),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** True when restic finds the repository sound, all data read. It takes no lock: locks may be what is damaged. */
  isSound(): boolean {
    const { status } = spawnSync(
      this.#binary,
      ["-r", this.directory, "--no-cache", "--no-lock", "check", "--read-data"],
      { env: this.#env(password) },
    );
    return status === 0;
  }

  /** Two snapshots: of `a` with two files and oddities, and of that with `b` beside it. */
  makeSnapshots(): void {
    const at = (...names: string[]): string => join(this.source, ...names);
    mkdirSync(at("a"));
    writeFileSync(at("a", "one"), randomBytes(30_000));
    writeFileSync(at("a", "two"), "text that compresses well ".repeat(5000));
    this.run("backup", this.source);
    mkdirSync(at("b"));
    writeFileSync(at("b", "three"), randomBytes(20_000));
    this.run("backup", this.source);
  }

  /** What counting must tell apart: equal contents, hard links, links, empty files, several blobs. */
  addOddities(): void {
    const at = (...names: string[]): string => join(this.source, "odd", ...names);
    mkdirSync(at("deep", "deeper"), { recursive: true });
    writeFileSync(at("empty"), "");
    writeFileSync(at("large"), randomBytes(6_000_000));
    writeFileSync(at("same"), "the same");
    writeFileSync(at("deep", "same too"), "the same");
    linkSync(at("large"), at("deep", "hard link"));
    symlinkSync("large", at("link"));
    writeFileSync(at("deep", "deeper", "zeros"), Buffer.alloc(3_000_000));
    this.run("backup", this.source);
  }

  async #makeKeysCheap(count: number): Promise<void> {
    const storage = new LocalStorage(this.directory);
    await using repository = await this.open();
    const old = await Array.fromAsync(storage.list("key"));
    for (let i = 0; i < count; i++) {
      const facts = { created: BigInt(i), username: "tester", hostname: "test-host" };
      const { name, bytes } = await createKeyFile(repository.masterKey, password, facts, repository.kernel, {
        N: 16,
        r: 8,
        p: 1,
      });
      await storage.put("key", name, [bytes]);
    }
    for (const { name } of old) await storage.remove("key", name);
  }

  open(word: string = password): Promise<Repository> {
    return Repository.open({
      storage: new LocalStorage(this.directory),
      password: word,
      now: () => new Date(),
      identity,
    });
  }

  bytesOf(...names: string[]): Buffer {
    return readFileSync(join(this.source, ...names));
  }

  [Symbol.dispose](): void {
    rmSync(this.work, { recursive: true, force: true });
  }

  #env(word: string): NodeJS.ProcessEnv {
    return { ...process.env, RESTIC_PASSWORD: word };
  }
}
