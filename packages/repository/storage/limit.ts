// Storage with a limit on concurrent calls and on bytes a second.
import type { Clock } from "./clock.ts";
import { totalLength } from "./file-layout.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "./storage.ts";

export interface LimitOptions {
  readonly clock: Clock;
  readonly maximumCalls?: number;
  readonly uploadBytesPerSecond?: number;
  readonly downloadBytesPerSecond?: number;
}

/**
 * Rates hold on average over whole files: a file goes at the full speed of the line, and the next one waits
 * until the time of the first is over.
 */
export class LimitStorage implements Storage {
  readonly #inner: Storage;
  readonly #slots: Slots;
  readonly #upload: Pace;
  readonly #download: Pace;

  constructor(inner: Storage, options: LimitOptions) {
    this.#inner = inner;
    this.#slots = new Slots(options.maximumCalls ?? Infinity);
    this.#upload = new Pace(options.clock, options.uploadBytesPerSecond ?? Infinity);
    this.#download = new Pace(options.clock, options.downloadBytesPerSecond ?? Infinity);
  }

  get location(): string {
    return this.#inner.location;
  }

  createLayout(): Promise<void> {
    return this.#slots.run(() => this.#inner.createLayout());
  }

  /** Takes no slot: the one who reads a listing may make other calls in between, and would wait for itself. */
  list(type: FileType): AsyncIterable<StoredFile> {
    return this.#inner.list(type);
  }

  stat(type: FileType, name: string): Promise<StoredFile> {
    return this.#slots.run(() => this.#inner.stat(type, name));
  }

  read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    return this.#slots.run(async () => {
      await this.#download.turn(range?.lengthBytes ?? 0);
      const content = await this.#inner.read(type, name, range);
      if (!range) this.#download.charge(content.byteLength);
      return content;
    });
  }

  put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#slots.run(async () => {
      await this.#upload.turn(totalLength(pieces));
      await this.#inner.put(type, name, pieces);
    });
  }

  remove(type: FileType, name: string): Promise<void> {
    return this.#slots.run(() => this.#inner.remove(type, name));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** At most `maximum` calls at once; the others wait in their order. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(maximum: number) {
    this.#free = maximum;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** Bytes are taken as time; whoever comes next waits until that time is over. */
class Pace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #freeAt = -Infinity;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Reserves the time of `sizeBytes` and waits for its beginning. */
  async turn(sizeBytes: number): Promise<void> {
    const startsAt = Math.max(this.#freeAt, this.#clock.now());
    this.#freeAt = startsAt;
    this.charge(sizeBytes);
    for (let waitMs = startsAt - this.#clock.now(); waitMs > 0; waitMs = startsAt - this.#clock.now()) {
      await this.#clock.sleep(waitMs);
    }
  }

  charge(sizeBytes: number): void {
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now()) + (sizeBytes / this.#bytesPerSecond) * 1000;
  }
}
