// AES-256 in counter mode from one place in memory to another, through the OpenSSL inside the Node executable.
//
// Node's public cipher objects allocate what they return: for every megabyte sixteen buffers that the garbage
// collector must find, and a new object for every blob. The library's own functions (EVP, public since OpenSSL 1.0)
// are exported by the executable and reached through koffi; where they are not, the public calls do the same.

import { createCipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { createRequire } from "node:module";
import { HoldfastError } from "../errors.ts";

/** How the cipher is reached: OpenSSL's own functions, or Node's public calls. */
export type CipherRoute = "native" | "public";

/** Ciphers of the public route allocate what they return: pieces of this size stay in the processor's cache. */
const pieceBytes = 64 * 1024;

interface NativeCipher {
  newContext(): unknown;
  aes256ctr(): unknown;
  init(context: unknown, cipher: unknown, engine: null, key: Uint8Array | null, nonce: Uint8Array | null): number;
  update(
    context: unknown,
    target: Uint8Array,
    writtenBytes: Uint8Array,
    source: Uint8Array,
    lengthBytes: number,
  ): number;
}

function loadNative(): NativeCipher | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = koffi.load(null);
    return {
      newContext: library.func("EVP_CIPHER_CTX_new", "void *", []),
      aes256ctr: library.func("EVP_aes_256_ctr", "void *", []),
      init: library.func("EVP_EncryptInit_ex", "int", ["void *", "void *", "void *", "void *", "void *"]),
      update: library.func("EVP_EncryptUpdate", "int", ["void *", "void *", "void *", "void *", "int"]),
    };
  } catch {
    return null; // koffi is not installed for this platform, or the executable hides its symbols
  }
}

const native = loadNative();

/** The faster of the routes that exist here. */
export const fastestCipherRoute: CipherRoute = native === null ? "public" : "native";

/** Belongs to one thread. The context of the native route lives as long as the process. */
export class AesCtr {
  readonly #key: KeyObject;
  readonly #context: unknown = null;
  readonly #writtenBytes = Buffer.alloc(4);

  /** `key` is 32 bytes. */
  constructor(key: Buffer, route: CipherRoute = fastestCipherRoute) {
    this.#key = createSecretKey(key);
    if (route === "public") return;
    if (native === null)
      throw new HoldfastError("unsupported", "the ciphers of this Node executable cannot be reached");
    this.#context = native.newContext();
    this.#require(native.init(this.#context, native.aes256ctr(), null, key, null));
  }

  /** Encrypts or decrypts (both are the same) `source` into `target`; the two may be the same bytes. */
  apply(nonce: Uint8Array, source: Uint8Array, target: Uint8Array): void {
    if (this.#context === null || native === null) {
      const cipher = createCipheriv("aes-256-ctr", this.#key, nonce);
      for (let offset = 0; offset < source.length; offset += pieceBytes) {
        target.set(cipher.update(source.subarray(offset, offset + pieceBytes)), offset);
      }
      return;
    }
    if (target.length < source.length) throw new HoldfastError("internal", "the target of a cipher is too small");
    if (source.length === 0) return;
    this.#require(native.init(this.#context, null, null, null, nonce));
    this.#require(native.update(this.#context, target, this.#writtenBytes, source, source.length));
  }

  #require(result: number): void {
    if (result !== 1) throw new HoldfastError("internal", "the cipher AES-256-CTR failed");
  }
}
