// Every storage and every wrapper passes the same suite.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { CacheStorage } from "../storage/cache.ts";
import { monotonicClock } from "../storage/clock.ts";
import type { Clock } from "../storage/clock.ts";
import { LimitStorage } from "../storage/limit.ts";
import { LocalStorage } from "../storage/local.ts";
import { RestStorage } from "../storage/rest.ts";
import { RetryStorage } from "../storage/retry.ts";
import type { Storage } from "../storage/storage.ts";
import { FaultStorage } from "../testing/fault-storage.ts";
import type { FaultScript } from "../testing/fault-storage.ts";
import { MemoryStorage } from "../testing/memory-storage.ts";
import { storageConformance } from "../testing/storage-conformance.ts";
import type { StorageUnderTest } from "../testing/storage-conformance.ts";
import { startRestServer } from "./storage-rest-server.ts";
import type { RestServer } from "./storage-rest-server.ts";

async function inDirectory(wrap: (storage: LocalStorage, directory: string) => Storage): Promise<StorageUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-storage-"));
  return {
    storage: wrap(new LocalStorage(join(directory, "repository")), directory),
    cleanup: () => rm(directory, { recursive: true }),
  };
}

const impatientClock: Clock = { now: () => 0, sleep: async () => undefined };

/** Every first attempt fails, half of the puts and all removals only after they were done. */
const failingFirst: FaultScript = (call) => {
  if (call.attempt > 1) return undefined;
  const doneFirst = call.operation === "remove" || (call.operation === "put" && call.number % 2 === 0);
  return { kind: doneFirst ? "fail-after" : "fail", code: "storage" };
};

storageConformance("memory", async () => ({ storage: new MemoryStorage(), cleanup: async () => undefined }));

storageConformance("local", () => inDirectory((local) => local));

storageConformance("local behind a cache", () =>
  inDirectory(
    (local, directory) =>
      new CacheStorage(local, {
        directory: join(directory, "cache"),
        repositoryId: "0".repeat(64),
        cachePack: () => true,
      }),
  ),
);

storageConformance("local with failures, behind retries", () =>
  inDirectory(
    (local) => new RetryStorage(new FaultStorage(local, failingFirst), { clock: impatientClock, random: () => 0.5 }),
  ),
);

storageConformance("local behind a limit", () =>
  inDirectory(
    (local) =>
      new LimitStorage(local, {
        clock: monotonicClock,
        maximumCalls: 2,
        uploadBytesPerSecond: 1e9,
        downloadBytesPerSecond: 1e9,
      }),
  ),
);

let directory: string | undefined;
let server: Promise<RestServer> | undefined;
after(async () => {
  // One that never started has failed its tests already.
  await (await server?.catch(() => undefined))?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true });
});

let repositories = 0;
storageConformance("rest-server", async () => {
  directory ??= await mkdtemp(join(tmpdir(), "holdfast-storage-"));
  server ??= startRestServer(directory);
  repositories++;
  return {
    storage: new RestStorage(new URL(`repository-${repositories}`, (await server).url)),
    cleanup: async () => undefined,
  };
});
