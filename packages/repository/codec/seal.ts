// Authenticated encryption of everything a repository holds: AES-256 in counter mode, then Poly1305-AES.
//
// Source: restic's design document, "Keys, Encryption and MAC", and D. J. Bernstein, "The Poly1305-AES
// message-authentication code". Sealed bytes are nonce (16) || ciphertext || tag (16); the tag covers
// the ciphertext under the one-time key r || AES-128(k, nonce).

import { createCipheriv, createSecretKey, randomFillSync, timingSafeEqual, type Cipheriv } from "node:crypto";
import { AesCtr } from "./aes-ctr.ts";
import { Poly1305 } from "./poly1305.ts";
import { HoldfastError } from "../errors.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** The three keys that seal a repository: 32, 16 and 16 bytes. */
export interface MasterKey {
  readonly encrypt: Buffer;
  readonly macK: Buffer;
  readonly macR: Buffer;
}

export const nonceBytes = 16;
export const tagBytes = 16;
/** How much longer sealed bytes are than what they hold. */
export const sealOverheadBytes = nonceBytes + tagBytes;

/** Nonces are drawn from the system in batches: one call for 256 seals. */
const nonceBatchBytes = 4096;

/** Throws `internal` unless the three keys have their lengths. */
function checkKeyLengths(key: MasterKey): void {
  if (key.encrypt.length !== 32 || key.macK.length !== 16 || key.macR.length !== 16) {
    throw new HoldfastError("internal", "a master key has parts of the wrong length");
  }
}

/** Seals and opens with one key. Belongs to one thread: the ciphers and the nonce batch are its own. */
export class Sealer {
  readonly #mac: Poly1305;
  readonly #cipher: AesCtr;
  readonly #maskCipher: Cipheriv;
  readonly #oneTimeKey = Buffer.alloc(32);
  readonly #tag = Buffer.alloc(tagBytes);
  readonly #nonces = Buffer.alloc(nonceBatchBytes);
  #nonceOffset = nonceBatchBytes;

  constructor(key: MasterKey, kernel: Kernel) {
    checkKeyLengths(key);
    this.#mac = new Poly1305(kernel);
    this.#cipher = new AesCtr(key.encrypt);
    // One block goes in and one comes out at a time, so a single ECB cipher serves every nonce.
    this.#maskCipher = createCipheriv("aes-128-ecb", createSecretKey(key.macK), null).setAutoPadding(false);
    key.macR.copy(this.#oneTimeKey, 0);
  }

  /** The sealed form of `plain`, in a buffer of its own. */
  seal(plain: Uint8Array): Buffer {
    const sealed = Buffer.allocUnsafe(plain.length + sealOverheadBytes);
    this.#sealInto(plain, sealed);
    return sealed;
  }

  /** `area` is 16 free bytes, the plaintext, 16 free bytes; afterwards it is the sealed form. */
  sealInPlace(area: Uint8Array): void {
    if (area.length < sealOverheadBytes) {
      throw new HoldfastError("internal", "the area to seal is shorter than the overhead of sealing");
    }
    this.#sealInto(area.subarray(nonceBytes, area.length - tagBytes), area);
  }

  /** The plaintext, in a buffer of its own. Throws `damaged` when the tag does not match. */
  open(sealed: Uint8Array): Buffer {
    const plain = Buffer.allocUnsafe(Math.max(0, sealed.length - sealOverheadBytes));
    this.openInto(sealed, plain);
    return plain;
  }

  /**
   * Writes the plaintext to the beginning of `target`, which may overlap `sealed` only where plaintext and
   * ciphertext coincide. Returns its length. Throws `damaged`, leaving `target` alone, when the tag does
   * not match.
   */
  openInto(sealed: Uint8Array, target: Uint8Array): number {
    const lengthBytes = sealed.length - sealOverheadBytes;
    if (lengthBytes < 0) {
      throw new HoldfastError(
        "damaged",
        `sealed data of ${sealed.length} bytes is shorter than the overhead of sealing`,
      );
    }
    if (target.length < lengthBytes) {
      throw new HoldfastError("internal", "the target is too small for what is to be opened");
    }
    const nonce = sealed.subarray(0, nonceBytes);
    const ciphertext = sealed.subarray(nonceBytes, nonceBytes + lengthBytes);
    this.#authenticate(nonce, ciphertext, this.#tag);
    if (!timingSafeEqual(this.#tag, sealed.subarray(nonceBytes + lengthBytes))) {
      throw new HoldfastError("damaged", "sealed data does not match its authentication code");
    }
    this.#cipher.apply(nonce, ciphertext, target);
    return lengthBytes;
  }

  #sealInto(plain: Uint8Array, sealed: Uint8Array): void {
    const nonce = this.#takeNonce();
    sealed.set(nonce, 0);
    const ciphertext = sealed.subarray(nonceBytes, nonceBytes + plain.length);
    this.#cipher.apply(nonce, plain, ciphertext);
    this.#authenticate(nonce, ciphertext, this.#tag);
    sealed.set(this.#tag, nonceBytes + plain.length);
  }

  #authenticate(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array): void {
    this.#oneTimeKey.set(this.#maskCipher.update(nonce), 16);
    this.#mac.compute(this.#oneTimeKey, ciphertext, tag);
  }

  #takeNonce(): Buffer {
    if (this.#nonceOffset === nonceBatchBytes) {
      randomFillSync(this.#nonces);
      this.#nonceOffset = 0;
    }
    const nonce = this.#nonces.subarray(this.#nonceOffset, this.#nonceOffset + nonceBytes);
    this.#nonceOffset += nonceBytes;
    return nonce;
  }
}
