// Counters that worker threads add to and the main thread reads while they work.

const counters = ["files", "bytes"] as const;

/** Shared counts of files finished and bytes read. Exact up to 2^63. */
export class SharedProgress {
  readonly #values: BigInt64Array;

  constructor(shared: SharedArrayBuffer) {
    this.#values = new BigInt64Array(shared);
  }

  static share(): SharedArrayBuffer {
    return new SharedArrayBuffer(counters.length * 8);
  }

  add(counter: (typeof counters)[number], count: number): void {
    Atomics.add(this.#values, counters.indexOf(counter), BigInt(count));
  }

  read(counter: (typeof counters)[number]): number {
    return Number(Atomics.load(this.#values, counters.indexOf(counter)));
  }
}
