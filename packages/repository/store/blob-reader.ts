// Reads blobs from packs: sealed bytes by range, small ones in larger windows, each checked against its id.
import { hash } from "node:crypto";
import type { Sealer } from "../codec/seal.ts";
import type { Decompressor } from "../codec/zstd.ts";
import { hasCode, HoldfastError } from "../errors.ts";
import type { BlobIndex, BlobLocation, BlobType } from "../index/blob-index.ts";
import type { Storage } from "../storage/storage.ts";

/**
 * Trees that are read one after another mostly lie one after another, or one before another, since a tree is stored
 * behind those below it: they are fetched in windows of this size, which begin at multiples of half of it.
 */
const windowBytes = 512 * 1024;
const keptWindows = 16;

interface Window {
  readonly pack: string;
  readonly offset: number;
  readonly bytes: Promise<Buffer>;
}

export class BlobReader {
  readonly #storage: Storage;
  readonly #sealer: Sealer;
  readonly #decompressor: Decompressor;
  #windows: Window[] = [];
  readonly #packSizes = new Map<string, Promise<number>>();

  readonly #treePacks: Set<string>;

  /** Names of packs in which trees were met are added to `treePacks`. */
  constructor(storage: Storage, sealer: Sealer, decompressor: Decompressor, treePacks: Set<string>) {
    this.#treePacks = treePacks;
    this.#storage = storage;
    this.#sealer = sealer;
    this.#decompressor = decompressor;
  }

  /** The content of a blob. A copy that is damaged or gone gives way to the next one; `damaged` if none is left. */
  async load(index: BlobIndex, type: BlobType, id: string): Promise<Buffer> {
    return this.#firstGood(index, type, id, async (location) =>
      this.#open(await this.#fetch(type, location), location, id),
    );
  }

  /** The sealed bytes of a blob, not yet checked. */
  async loadSealed(index: BlobIndex, type: BlobType, id: string): Promise<{ sealed: Buffer; plainLength: number }> {
    return this.#firstGood(index, type, id, async (location) => ({
      sealed: await this.#fetch(type, location),
      plainLength: location.plainLength,
    }));
  }

  async #firstGood<T>(
    index: BlobIndex,
    type: BlobType,
    id: string,
    read: (location: BlobLocation) => Promise<T>,
  ): Promise<T> {
    let failure: unknown = null;
    for (const location of index.locations(id, type)) {
      try {
        return await read(location);
      } catch (error) {
        // A storage that cannot be read says nothing of the blob, but another copy may be readable.
        if (hasCode(error, "storage")) failure ??= error;
        else if (!hasCode(error, "damaged") && !hasCode(error, "not-found")) throw error;
        else failure ??= damagedBlob(type, id, location, error);
      }
    }
    throw failure ?? new HoldfastError("damaged", `the ${type} blob ${id} is in no index`, { context: { type, id } });
  }

  #open(sealed: Buffer, location: BlobLocation, id: string): Buffer {
    const packed = this.#sealer.open(sealed);
    const plain = location.plainLength > 0 ? this.#decompressor.decompress(packed, location.plainLength) : packed;
    if (hash("sha256", plain) !== id) throw new HoldfastError("damaged", "its content does not match its id");
    return plain;
  }

  async #fetch(type: BlobType, location: BlobLocation): Promise<Buffer> {
    const { pack, offset, lengthBytes } = location;
    if (type === "tree") this.#treePacks.add(pack);
    if (type !== "tree" || lengthBytes > windowBytes / 2)
      return this.#storage.read("pack", pack, { offset, lengthBytes });
    try {
      const window = await this.#window(location);
      const bytes = await window.bytes;
      return bytes.subarray(offset - window.offset, offset - window.offset + lengthBytes);
    } catch (error) {
      // What lies around it must not make it unreadable.
      if (!hasCode(error, "storage")) throw error;
      return this.#storage.read("pack", pack, { offset, lengthBytes });
    }
  }

  async #window(location: BlobLocation): Promise<Window> {
    const end = location.offset + location.lengthBytes;
    const covers = (window: Window): boolean =>
      window.pack === location.pack && window.offset <= location.offset && end <= window.offset + windowBytes;
    const found = this.#windows.find(covers);
    if (found) {
      // Most recently used last.
      this.#windows = [...this.#windows.filter((window) => window !== found), found];
      return found;
    }
    const packBytes = await this.#packSize(location.pack);
    const again = this.#windows.find(covers);
    if (again) return again;
    if (packBytes < end) throw new HoldfastError("damaged", `the pack has only ${packBytes} bytes`);
    const offset = location.offset - (location.offset % (windowBytes / 2));
    const bytes = this.#storage.read("pack", location.pack, {
      offset,
      lengthBytes: Math.min(windowBytes, packBytes - offset),
    });
    const window = { pack: location.pack, offset, bytes };
    // A window that could not be read must not be found again; whoever waits for it hears the error.
    bytes.catch(() => (this.#windows = this.#windows.filter((other) => other !== window)));
    this.#windows = [...this.#windows.slice(1 - keptWindows), window];
    return window;
  }

  #packSize(pack: string): Promise<number> {
    let size = this.#packSizes.get(pack);
    if (!size) {
      size = this.#storage.stat("pack", pack).then((file) => file.sizeBytes);
      size.catch(() => this.#packSizes.delete(pack));
      this.#packSizes.set(pack, size);
    }
    return size;
  }
}

function damagedBlob(type: BlobType, id: string, location: BlobLocation, cause: HoldfastError): HoldfastError {
  const what = cause.code === "not-found" ? "its pack is missing" : cause.message;
  return new HoldfastError("damaged", `the ${type} blob ${id} in pack ${location.pack} cannot be read: ${what}`, {
    context: { type, id, pack: location.pack, offset: location.offset },
    cause,
  });
}
