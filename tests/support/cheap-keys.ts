// Gives a repository a key that is cheap to derive, and encrypts as restic does: written apart from the engine.
//
// Source: restic's design document, "Keys, Encryption and MAC". Slow, and no constant times: for tests only.
import assert from "node:assert/strict";
import { createCipheriv, createHash, randomBytes, scryptSync } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

interface Keys {
  readonly encrypt: Buffer;
  readonly macK: Buffer;
  readonly macR: Buffer;
}

interface KeyFile {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly data: string;
}

const cheap = { N: 16, r: 8, p: 1 };
const prime = 2n ** 130n - 5n;
const clamp = 0x0ffffffc0ffffffc0ffffffc0fffffffn;

/** Replaces all keys of a local repository by one that opens with the same password in no time. */
export function makeKeysCheap(repository: string, password: string): void {
  const folder = path.join(repository, "keys");
  const old = readdirSync(folder);
  const [first] = old;
  assert.ok(first, `${folder} holds no key`);
  const file = JSON.parse(readFileSync(path.join(folder, first), "utf8")) as KeyFile;
  const master = open(derive(password, Buffer.from(file.salt, "base64"), file), Buffer.from(file.data, "base64"));
  const salt = randomBytes(64);
  const data = seal(derive(password, salt, cheap), master).toString("base64");
  const json = JSON.stringify({ ...file, ...cheap, salt: salt.toString("base64"), data });
  const name = createHash("sha256").update(json).digest("hex");
  writeFileSync(path.join(folder, name), json, { mode: 0o600 });
  for (const key of old) rmSync(path.join(folder, key));
}

function derive(password: string, salt: Buffer, { N, r, p }: { N: number; r: number; p: number }): Keys {
  const bytes = scryptSync(password, salt, 64, { N, r, p, maxmem: 256 * N * r + 2 ** 20 });
  return { encrypt: bytes.subarray(0, 32), macK: bytes.subarray(32, 48), macR: bytes.subarray(48, 64) };
}

function seal(keys: Keys, plain: Buffer): Buffer {
  const nonce = randomBytes(16);
  const ciphertext = createCipheriv("aes-256-ctr", keys.encrypt, nonce).update(plain);
  return Buffer.concat([nonce, ciphertext, authenticate(keys, nonce, ciphertext)]);
}

function open(keys: Keys, sealed: Buffer): Buffer {
  const nonce = sealed.subarray(0, 16);
  const ciphertext = sealed.subarray(16, -16);
  assert.ok(authenticate(keys, nonce, ciphertext).equals(sealed.subarray(-16)), "the password opens the key file");
  return createCipheriv("aes-256-ctr", keys.encrypt, nonce).update(ciphertext);
}

/** Poly1305-AES. */
function authenticate(keys: Keys, nonce: Buffer, text: Buffer): Buffer {
  const r = littleEndian(keys.macR) & clamp;
  let sum = 0n;
  for (let at = 0; at < text.length; at += 16) {
    const block = text.subarray(at, at + 16);
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r) % prime;
  }
  const mask = createCipheriv("aes-128-ecb", keys.macK, null).setAutoPadding(false).update(nonce);
  const tag = BigInt.asUintN(128, sum + littleEndian(mask));
  return Buffer.from(tag.toString(16).padStart(32, "0"), "hex").reverse();
}

function littleEndian(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}
