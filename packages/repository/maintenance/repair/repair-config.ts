// Makes a new config for a repository that lost its own: what can be known is found, the rest is drawn anew.
import { randomBytes } from "node:crypto";
import { isChunkerPolynomial, randomPolynomial } from "../../chunker/polynomial.ts";
import { Sealer } from "../../codec/seal.ts";
import { hasCode, HoldfastError } from "../../errors.ts";
import type { RepositoryConfig, RepositoryVersion } from "../../format/config.ts";
import { decodeConfig, encodeConfig } from "../../format/config.ts";
import type { PackedBlob } from "../../format/pack.ts";
import { Kernel } from "../../kernel/kernel.ts";
import type { FileType, Storage } from "../../storage/storage.ts";
import type { OpenOptions } from "../../store/repository.ts";
import { findKey } from "../../store/repository.ts";
import { readPackHeader } from "../read-pack-header.ts";

export interface RepairConfigPlan {
  /** `whole`: there is nothing to repair. */
  readonly state: "whole" | "missing" | "damaged";
  /** What is stored under the name of the config; null when nothing is. */
  readonly oldBytes: Buffer | null;
  readonly keyId: string;
  readonly config: RepositoryConfig;
  /** Which file tells the version; null for a repository without files, which gets version 2. */
  readonly evidence: string | null;
  readonly newBytes: Buffer;
}

/**
 * Looks whether the config is missing or damaged, and what a new one would say. Changes nothing. The version is told
 * from what is stored: 2 as soon as one file is compressed. The polynomial, and with it where files are cut, cannot be
 * found again, nor the id: both are new, so that the next backup of large files stores their content once more, and
 * nothing that is stored depends on them.
 *
 * `state` is `whole` for a config that can be read. Throws `wrong-password`; `damaged` when no key file is left, or
 * when the key opens none of the files that are there; `unsupported` for a config of a later version.
 */
export async function planRepairConfig(options: OpenOptions): Promise<RepairConfigPlan> {
  const { storage } = options;
  const kernel = Kernel.alone();
  const oldBytes = await readConfig(storage);
  const { masterKey, keyId } = await findKey(options, kernel, (key) =>
    opensSomething(storage, oldBytes, new Sealer(key, kernel)),
  );
  const sealer = new Sealer(masterKey, kernel);
  const known = { oldBytes, keyId };
  if (oldBytes !== null) {
    try {
      const config = decodeConfig(oldBytes, sealer);
      if (isChunkerPolynomial(config.chunkerPolynomial))
        return { ...known, state: "whole", config, evidence: null, newBytes: oldBytes };
    } catch (error) {
      if (!hasCode(error, "damaged")) throw error;
    }
  }
  const { version, evidence } = await findVersion(storage, sealer);
  const id = randomBytes(32).toString("hex");
  const config = { version, id, chunkerPolynomial: randomPolynomial(randomBytes) };
  const state = oldBytes === null ? "missing" : "damaged";
  return { ...known, state, config, evidence, newBytes: encodeConfig(config, sealer) };
}

/**
 * Stores the new config, and reads it back. The bytes of a damaged one go to `keep` before; a crash between its removal
 * and the new one leaves a repository without a config, which this repairs when it is run again. No lock can be held:
 * nobody else opens the repository either. Throws `refused` when somebody stored a config meanwhile, and `damaged` when the
 * old one reads differently now: it may be whole.
 */
export async function applyRepairConfig(
  storage: Storage,
  plan: RepairConfigPlan,
  keep: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  if (plan.state === "whole") return;
  if (plan.oldBytes !== null) {
    await keep(plan.oldBytes);
    if ((await readConfig(storage))?.equals(plan.oldBytes) !== true) {
      throw new HoldfastError("damaged", `the config of ${storage.location} reads differently each time`, {
        hint: "nothing was changed: it may be whole; check the disk or the connection, then run the command again",
      });
    }
    await storage.remove("config", "config");
  }
  await storage.put("config", "config", [plan.newBytes]);
  if ((await storage.read("config", "config")).equals(plan.newBytes)) return;
  throw new HoldfastError("damaged", `the config came back from ${storage.location} changed`, {
    hint: "check the disk or the server: what it was given is not what it stored",
  });
}

async function readConfig(storage: Storage): Promise<Buffer | null> {
  try {
    return await storage.read("config", "config");
  } catch (error) {
    if (hasCode(error, "not-found")) return null;
    throw error;
  }
}

/** A key that an `init` left behind that died opens nothing, while another one of the same password may. */
async function opensSomething(storage: Storage, config: Buffer | null, sealer: Sealer): Promise<boolean> {
  try {
    if (config !== null) sealer.open(config);
    else await findVersion(storage, sealer);
    return true;
  } catch (error) {
    if (!hasCode(error, "damaged")) throw error;
    return config !== null && (await opensSomething(storage, null, sealer));
  }
}

async function findVersion(
  storage: Storage,
  sealer: Sealer,
): Promise<{ version: RepositoryVersion; evidence: string | null }> {
  let files = 0;
  let opened: string | null = null;
  const look = async (type: FileType, name: string, isCompressed: () => Promise<boolean>): Promise<boolean> => {
    files++;
    try {
      const isVersion2 = await isCompressed();
      opened = `the ${type} ${name}`;
      return isVersion2;
    } catch (error) {
      if (hasCode(error, "damaged") || hasCode(error, "not-found")) return false;
      throw error;
    }
  };
  // Version 2 compresses each of these, so that packs need to be looked at only where there are none.
  for (const type of ["snapshot", "index"] as const)
    for await (const { name } of storage.list(type)) {
      const isCompressed = async (): Promise<boolean> => sealer.open(await storage.read(type, name))[0] === 2;
      if (await look(type, name, isCompressed)) return { version: 2, evidence: opened };
    }
  if (opened !== null) return { version: 1, evidence: opened };
  for await (const { name, sizeBytes } of storage.list("pack")) {
    const blobs = (): Promise<PackedBlob[]> => readPackHeader({ storage, sealer }, name, sizeBytes);
    const isCompressed = async (): Promise<boolean> => (await blobs()).some(({ plainLength }) => plainLength > 0);
    if (await look("pack", name, isCompressed)) return { version: 2, evidence: opened };
  }
  if (files === 0) return { version: 2, evidence: null };
  if (opened !== null) return { version: 1, evidence: opened };
  throw new HoldfastError("damaged", `the key opens none of the ${files} files of ${storage.location}`, {
    hint: "the key belongs to another repository, or everything is damaged: bring `keys` back from a copy",
  });
}
