// Key files: the master key of a repository, sealed with what scrypt makes of one password.
//
// Source: restic's design document, "Keys, Encryption and MAC". Plain JSON; the name is its SHA-256 sum.

import { randomBytes } from "node:crypto";
import { hasCode, HoldfastError } from "../errors.ts";
import { defaultScryptParameters, deriveUserKey, saltBytes, type ScryptParameters } from "../codec/key-derivation.ts";
import { Sealer, sealOverheadBytes, type MasterKey } from "../codec/seal.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { decodeBase64, goJsonValue } from "./go-json.ts";
import { createTimeFormatter, parseTime } from "./go-time.ts";
import { idOf } from "./id.ts";
import { JsonDocument } from "./json-document.ts";
import type { EncodedFile } from "./unpacked.ts";

export interface KeyFile {
  /** Nanoseconds since the epoch. */
  readonly created: bigint;
  readonly username: string;
  readonly hostname: string;
  readonly parameters: ScryptParameters;
  readonly salt: Buffer;
  /** The sealed master key. */
  readonly data: Buffer;
}

/** A new master key from the system's random numbers. */
export function createMasterKey(): MasterKey {
  return { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
}

/** The JSON that a key file seals, and that people may keep on paper. */
export function encodeMasterKey(key: MasterKey): string {
  const mac = { k: key.macK.toString("base64"), r: key.macR.toString("base64") };
  return goJsonValue({ mac, encrypt: key.encrypt.toString("base64") });
}

/** Throws `damaged` for parts of the wrong length, or of zeros only, which restic refuses as well. */
export function decodeMasterKey(json: Uint8Array): MasterKey {
  const document = JsonDocument.parse(json, "master key");
  const mac = document.object("mac");
  const key = {
    encrypt: decodeBase64(document.string("encrypt")),
    macK: decodeBase64(mac.string("k")),
    macR: decodeBase64(mac.string("r")),
  };
  const parts = [key.encrypt, key.macK, key.macR];
  const areLengthsRight = key.encrypt.length === 32 && key.macK.length === 16 && key.macR.length === 16;
  if (!areLengthsRight || parts.some((part) => part.every((byte) => byte === 0))) {
    throw new HoldfastError("damaged", "a key file holds a master key of the wrong form");
  }
  return key;
}

/** A key file that opens `masterKey` with `password`. */
export async function createKeyFile(
  masterKey: MasterKey,
  password: string,
  facts: { created: bigint; username: string; hostname: string },
  kernel: Kernel,
  parameters: ScryptParameters = defaultScryptParameters,
): Promise<EncodedFile> {
  const salt = randomBytes(saltBytes);
  const userKey = await deriveUserKey(password, salt, parameters);
  const data = new Sealer(userKey, kernel).seal(Buffer.from(encodeMasterKey(masterKey)));
  const json = goJsonValue({
    created: createTimeFormatter()(facts.created),
    username: facts.username,
    hostname: facts.hostname,
    kdf: "scrypt",
    N: parameters.N,
    r: parameters.r,
    p: parameters.p,
    salt: salt.toString("base64"),
    data: data.toString("base64"),
  });
  const bytes = Buffer.from(json);
  return { name: idOf(bytes), bytes };
}

/** Throws `damaged`, and `unsupported` for a derivation other than scrypt. */
export function parseKeyFile(bytes: Uint8Array): KeyFile {
  const document = JsonDocument.parse(bytes, "key file");
  const kdf = document.string("kdf");
  if (kdf !== "scrypt") {
    throw new HoldfastError("unsupported", `a key file uses the key derivation "${kdf}"; only scrypt is supported`);
  }
  return {
    created: parseTime(document.string("created")),
    username: document.string("username"),
    hostname: document.string("hostname"),
    parameters: { N: document.integer("N"), r: document.integer("r"), p: document.integer("p") },
    salt: decodeBase64(document.string("salt")),
    data: decodeBase64(document.string("data")),
  };
}

/**
 * The master key, or null when the password is not the one of this key file. A changed key file looks the
 * same as a wrong password; whoever reads the file compares its name with its content first.
 */
export async function openKeyFile(keyFile: KeyFile, password: string, kernel: Kernel): Promise<MasterKey | null> {
  if (keyFile.data.length < sealOverheadBytes) {
    throw new HoldfastError("damaged", "a key file holds too few bytes for a master key");
  }
  const userKey = await deriveUserKey(password, keyFile.salt, keyFile.parameters);
  let json: Buffer;
  try {
    json = new Sealer(userKey, kernel).open(keyFile.data);
  } catch (error) {
    if (hasCode(error, "damaged")) {
      return null;
    }
    throw error;
  }
  return decodeMasterKey(json);
}
