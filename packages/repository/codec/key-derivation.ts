// Turns a password into the key that seals a key file, by scrypt (RFC 7914).

import { scrypt } from "node:crypto";
import { HoldfastError } from "../errors.ts";
import type { MasterKey } from "./seal.ts";

/** The cost of one derivation: `N` and `r` set the memory (128 · N · r bytes), `p` multiplies the time. */
export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/**
 * What Holdfast writes: 32 MiB of memory and p = 3, the row that OWASP's password storage guide gives for this
 * memory. Measured at a quarter of a second; each further p costs every later command some 60 ms.
 * Fixed rather than calibrated, so that a busy machine does not make a weak key.
 */
export const defaultScryptParameters: ScryptParameters = { N: 32768, r: 8, p: 3 };

export const saltBytes = 64;
const derivedBytes = 64;

// A key file is read before anything proves that it is honest, so it may not ask for any amount of work.
const maximumMemoryBytes = 1024 * 1024 * 1024;
const maximumWork = 2 ** 27;

function isPositiveInteger(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

/** Throws `damaged` when scrypt itself forbids the parameters, `unsupported` when they cost too much. */
export function checkScryptParameters(parameters: ScryptParameters, saltLengthBytes: number): void {
  const { N, r, p } = parameters;
  const context = { N, r, p };
  const isPowerOfTwo = isPositiveInteger(N) && N > 1 && Number.isInteger(Math.log2(N));
  if (!isPowerOfTwo || !isPositiveInteger(r) || !isPositiveInteger(p) || r * p >= 2 ** 30) {
    throw new HoldfastError("damaged", `a key file has impossible scrypt parameters: N=${N}, r=${r}, p=${p}`, {
      context,
    });
  }
  if (saltLengthBytes !== saltBytes) {
    throw new HoldfastError("damaged", `a key file has a salt of ${saltLengthBytes} bytes instead of ${saltBytes}`);
  }
  if (128 * N * r > maximumMemoryBytes || N * r * p > maximumWork) {
    throw new HoldfastError("unsupported", `a key file asks for too costly a derivation: N=${N}, r=${r}, p=${p}`, {
      context,
    });
  }
}

/** The key that the password's UTF-8 bytes give with this salt. Runs on libuv's threads. */
export function deriveUserKey(password: string, salt: Uint8Array, parameters: ScryptParameters): Promise<MasterKey> {
  checkScryptParameters(parameters, salt.length);
  const { N, r, p } = parameters;
  // OpenSSL counts a little more than the formula's 128 · N · r (+ 128 · r · p), and 32 MiB is its default limit.
  const maxmem = 128 * r * (N + p + 2) + 1024 * 1024;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, derivedBytes, { N, r, p, maxmem }, (error, derived) => {
      if (error === null) {
        resolve({ encrypt: derived.subarray(0, 32), macK: derived.subarray(32, 48), macR: derived.subarray(48, 64) });
      } else {
        reject(new HoldfastError("internal", `scrypt failed: ${error.message}`, { cause: error }));
      }
    });
  });
}
