// Poly1305 tags through the OpenSSL inside the Node executable, or through the WebAssembly kernel.
//
// Node's public interface offers no Poly1305. OpenSSL's EVP_MAC functions (public since OpenSSL 3.0) are exported by
// the executable and use the processor's vector instructions: six times as fast as WebAssembly.

import { createRequire } from "node:module";
import { HoldfastError } from "../errors.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** How a tag is computed: OpenSSL's own functions, or the kernel. */
export type MacRoute = "native" | "kernel";

interface NativeMac {
  newContext(mac: unknown): unknown;
  init(context: unknown, key: Uint8Array, keyBytes: number, parameters: null): number;
  update(context: unknown, message: Uint8Array, lengthBytes: number): number;
  final(context: unknown, tag: Uint8Array, writtenBytes: Uint8Array, capacityBytes: number): number;
  readonly mac: unknown;
}

function loadNative(): NativeMac | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = koffi.load(null);
    const fetch = library.func("EVP_MAC_fetch", "void *", ["void *", "const char *", "const char *"]);
    const mac: unknown = fetch(null, "POLY1305", null);
    if (mac === null) return null; // OpenSSL was built without it
    return {
      mac,
      newContext: library.func("EVP_MAC_CTX_new", "void *", ["void *"]),
      init: library.func("EVP_MAC_init", "int", ["void *", "void *", "size_t", "void *"]),
      update: library.func("EVP_MAC_update", "int", ["void *", "void *", "size_t"]),
      final: library.func("EVP_MAC_final", "int", ["void *", "void *", "void *", "size_t"]),
    };
  } catch {
    return null; // koffi is not installed for this platform, or the executable hides its symbols
  }
}

const native = loadNative();

/** The faster of the routes that exist here. */
export const fastestMacRoute: MacRoute = native === null ? "kernel" : "native";

/** Belongs to one thread. The context of the native route lives as long as the process. */
export class Poly1305 {
  readonly #kernel: Kernel;
  readonly #context: unknown = null;
  readonly #writtenBytes = Buffer.alloc(8);

  constructor(kernel: Kernel, route: MacRoute = fastestMacRoute) {
    this.#kernel = kernel;
    if (route === "kernel") return;
    if (native === null)
      throw new HoldfastError("unsupported", "the MAC functions of this Node executable cannot be reached");
    this.#context = native.newContext(native.mac);
  }

  /** Writes the tag (RFC 8439, section 2.5) of `message` under the 32 bytes `key` to the 16 bytes `tag`. */
  compute(key: Uint8Array, message: Uint8Array, tag: Uint8Array): void {
    if (this.#context === null || native === null) {
      this.#kernel.poly1305(key, message, tag);
      return;
    }
    const done =
      native.init(this.#context, key, 32, null) === 1 &&
      native.update(this.#context, message, message.length) === 1 &&
      native.final(this.#context, tag, this.#writtenBytes, 16) === 1;
    if (!done) throw new HoldfastError("internal", "the MAC Poly1305 failed");
  }
}
