// What the tests of locks share: several clients of one repository in memory, quick to open, with a clock to turn.
import { Sealer } from "../codec/seal.ts";
import { encodeConfig } from "../format/config.ts";
import { createKeyFile, createMasterKey } from "../format/key-file.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { Storage } from "../storage/storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import type { Identity } from "./repository.ts";
import { Repository } from "./repository.ts";

export const here: Identity = { hostname: "here", username: "user", uid: 0, gid: 0, pid: process.pid };
export const there: Identity = { ...here, hostname: "there" };
/** Above the largest pid of Linux: no such process. */
export const deadPid = 2 ** 22 + 1;

const password = "x";

export class SharedRepository {
  readonly storage: MemoryStorage;
  /** Of all clients; milliseconds since the epoch. */
  timeMs = Date.parse("2026-01-01T00:00:00Z");

  private constructor(storage: MemoryStorage) {
    this.storage = storage;
  }

  static async make(): Promise<SharedRepository> {
    const storage = new MemoryStorage();
    const kernel = Kernel.alone();
    const masterKey = createMasterKey();
    const facts = { created: 0n, username: "user", hostname: "here" };
    const key = await createKeyFile(masterKey, password, facts, kernel, { N: 16, r: 8, p: 1 });
    await storage.put("key", key.name, [key.bytes]);
    const config = { version: 2, id: "0".repeat(64), chunkerPolynomial: 0x3da3358b4dc173n } as const;
    await storage.put("config", "config", [encodeConfig(config, new Sealer(masterKey, kernel))]);
    return new SharedRepository(storage);
  }

  /** `aheadMs`: by how much the clock of this client is ahead of the others. */
  open(identity: Identity = here, storage: Storage = this.storage, aheadMs = 0): Promise<Repository> {
    return Repository.open({ storage, password, identity, now: () => new Date(this.timeMs + aheadMs) });
  }
}
