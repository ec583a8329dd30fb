// Checks the small files of a repository: config, keys, locks and snapshots.
import { hasCode, HoldfastError } from "../../errors.ts";
import { decodeConfig } from "../../format/config.ts";
import { idOf } from "../../format/id.ts";
import { parseKeyFile } from "../../format/key-file.ts";
import { decodeLockFile } from "../../format/lock-file.ts";
import { decodeSnapshot } from "../../format/snapshot.ts";
import type { FileType } from "../../storage/storage.ts";
import type { Repository, StoredSnapshot } from "../../store/repository.ts";
import { forEachAtOnce } from "../../store/repository.ts";
import { isStale } from "../../store/lock-files.ts";
import type { DamageLog } from "./check-damage.ts";
import { problemOf } from "./check-damage.ts";

const readsAtOnce = 5;

export async function checkConfig(repository: Repository, log: DamageLog): Promise<void> {
  try {
    const config = decodeConfig(await repository.storage.read("config", "config"), repository.sealer);
    if (config.id !== repository.config.id) throw new HoldfastError("damaged", "it is that of another repository");
  } catch (error) {
    const kind = hasCode(error, "not-found") ? "file-missing" : "file-damaged";
    log.add({
      severity: "error",
      kind,
      message: `the config is damaged: ${problemOf(error)}`,
      file: { type: "config", name: "config" },
    });
  }
}

/** Returns how many keys there are. The one that opened the repository must be among them. */
export async function checkKeys(repository: Repository, log: DamageLog): Promise<number> {
  const names = await namesOf(repository, "key");
  if (!names.includes(repository.keyId)) {
    const file = { type: "key", name: repository.keyId } as const;
    log.add({
      severity: "error",
      kind: "file-missing",
      message: `the key ${repository.keyId}, which opened the repository, is gone`,
      file,
    });
  }
  await checkEach(names, "key", log, async (name) => {
    const bytes = await repository.storage.read("key", name);
    if (idOf(bytes) !== name) throw new HoldfastError("damaged", "its content does not match its name");
    parseKeyFile(bytes);
  });
  return names.length;
}

export async function checkLocks(repository: Repository, log: DamageLog): Promise<void> {
  await checkEach(await namesOf(repository, "lock"), "lock", log, async (name) => {
    const lock = decodeLockFile(await repository.loadUnpacked("lock", name));
    if (!isStale(repository, lock)) return;
    const message = `the lock ${name} belongs to process ${lock.pid} of ${lock.hostname}, which is gone`;
    log.add({ severity: "rubbish", kind: "lock-stale", message, file: { type: "lock", name } });
  });
}

/** Returns the snapshots that can be read. */
export async function checkSnapshots(repository: Repository, log: DamageLog): Promise<StoredSnapshot[]> {
  const snapshots: StoredSnapshot[] = [];
  await checkEach(await namesOf(repository, "snapshot"), "snapshot", log, async (id) => {
    snapshots.push({ ...decodeSnapshot(await repository.loadUnpacked("snapshot", id)), id });
  });
  return snapshots.sort((a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.id < b.id ? -1 : 1));
}

async function namesOf(repository: Repository, type: FileType): Promise<string[]> {
  return (await Array.fromAsync(repository.storage.list(type))).map(({ name }) => name);
}

async function checkEach(
  names: readonly string[],
  type: FileType,
  log: DamageLog,
  checkOne: (name: string) => Promise<void>,
): Promise<void> {
  await forEachAtOnce(names, readsAtOnce, async (name) => {
    try {
      await checkOne(name);
    } catch (error) {
      // Given back, or forgotten, since the list was taken.
      if (hasCode(error, "not-found") && (type === "lock" || type === "snapshot")) return;
      const message = `the ${type} ${name} cannot be read: ${problemOf(error)}`;
      const snapshots = type === "snapshot" ? { snapshots: [name] } : {};
      log.add({ severity: "error", kind: "file-damaged", message, file: { type, name }, ...snapshots });
    }
  });
}
