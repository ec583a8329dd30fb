// Bump allocation of regions in one shared memory; the main thread alone does it, before workers use them.

import { HoldfastError } from "../errors.ts";

/** A part of a shared memory. It goes to workers as it is. */
export interface Region {
  /** Where it begins, counted from the start of the memory. */
  readonly pointer: number;
  readonly lengthBytes: number;
}

const pageBytes = 65_536;
const alignmentBytes = 64;

/** The most an arena can hold: what the kernel's import of memory declares (kernel/asconfig.json). */
export const arenaLimitBytes = 16_384 * pageBytes;

/** One shared memory, handed out in regions that are never given back. */
export class Arena {
  /** Reserved at its full size at once, so that views of it stay valid; pages cost memory once touched. */
  readonly memory: WebAssembly.Memory;
  readonly #maximumBytes: number;
  #usedBytes = 0;

  /** @param maximumBytes what all regions may take together, each rounded up to 64 bytes. */
  constructor(maximumBytes: number) {
    if (!Number.isSafeInteger(maximumBytes) || maximumBytes <= 0 || maximumBytes > arenaLimitBytes) {
      throw new HoldfastError("internal", `an arena cannot hold ${maximumBytes} bytes`);
    }
    const pages = Math.ceil(maximumBytes / pageBytes);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#maximumBytes = maximumBytes;
  }

  /** Takes the next `lengthBytes`, zero-filled, aligned to 64 bytes. Throws `internal` when the arena is full. */
  allocate(lengthBytes: number): Region {
    if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0) {
      throw new HoldfastError("internal", `a region cannot have ${lengthBytes} bytes`);
    }
    const pointer = this.#usedBytes;
    const usedBytes = pointer + Math.ceil(lengthBytes / alignmentBytes) * alignmentBytes;
    if (usedBytes > Math.ceil(this.#maximumBytes / alignmentBytes) * alignmentBytes) {
      throw new HoldfastError("internal", "the arena of shared memory is full", {
        context: { maximumBytes: this.#maximumBytes, usedBytes: pointer, wantedBytes: lengthBytes },
      });
    }
    this.#usedBytes = usedBytes;
    return { pointer, lengthBytes };
  }
}
