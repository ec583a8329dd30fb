// Looks at every key file of a repository by itself: which are whole, which the password opens, which do not belong here.
import { Sealer } from "../../codec/seal.ts";
import { hasCode, HoldfastError } from "../../errors.ts";
import { idOf } from "../../format/id.ts";
import type { KeyFile } from "../../format/key-file.ts";
import { openKeyFile, parseKeyFile } from "../../format/key-file.ts";
import { Kernel } from "../../kernel/kernel.ts";
import type { Storage } from "../../storage/storage.ts";

/**
 * `opens`: with this password. `other-password`: it is whole, and has another one. `foreign`: it opens, but not this
 * repository; an `init` that died leaves such a key behind. `damaged`: `error` says how.
 */
export type KeyState = "opens" | "other-password" | "foreign" | "damaged";

export interface InspectedKey {
  readonly id: string;
  readonly state: KeyState;
  /** Null when it cannot be read. */
  readonly owner: Pick<KeyFile, "created" | "username" | "hostname"> | null;
  readonly error: HoldfastError | null;
}

/**
 * All keys, the oldest first, those that cannot be read behind them. It needs no key that opens, and no config: without
 * that, or with a damaged one, no key is called foreign. Throws what the storage throws.
 */
export async function inspectKeys(storage: Storage, password: string): Promise<InspectedKey[]> {
  const kernel = Kernel.alone();
  const config = await readConfig(storage);
  const keys: InspectedKey[] = [];
  for await (const { name } of storage.list("key")) keys.push(await inspect(storage, name, password, kernel, config));
  // A config that no key opens is damaged itself.
  const isConfigGood = keys.some(({ state }) => state === "opens");
  const known = isConfigGood
    ? keys
    : keys.map((key) => (key.state === "foreign" ? { ...key, state: "opens" as const } : key));
  const rank = ({ owner }: InspectedKey): bigint => owner?.created ?? 1n << 64n;
  return known.sort((a, b) => (rank(a) === rank(b) ? (a.id < b.id ? -1 : 1) : rank(a) < rank(b) ? -1 : 1));
}

async function inspect(
  storage: Storage,
  id: string,
  password: string,
  kernel: Kernel,
  config: Buffer | null,
): Promise<InspectedKey> {
  let owner: KeyFile | null = null;
  try {
    const bytes = await storage.read("key", id);
    if (idOf(bytes) !== id) throw new HoldfastError("damaged", "its content does not match its name");
    owner = parseKeyFile(bytes);
    const masterKey = await openKeyFile(owner, password, kernel);
    if (!masterKey) return { id, state: "other-password", owner, error: null };
    const fits = config === null || opens(new Sealer(masterKey, kernel), config);
    return { id, state: fits ? "opens" : "foreign", owner, error: null };
  } catch (error) {
    if (!hasCode(error, "damaged") && !hasCode(error, "unsupported")) throw error;
    return { id, state: "damaged", owner, error };
  }
}

async function readConfig(storage: Storage): Promise<Buffer | null> {
  try {
    return await storage.read("config", "config");
  } catch (error) {
    if (!hasCode(error, "not-found")) throw error;
    return null;
  }
}

function opens(sealer: Sealer, sealed: Buffer): boolean {
  try {
    sealer.open(sealed);
    return true;
  } catch (error) {
    if (!hasCode(error, "damaged")) throw error;
    return false;
  }
}
