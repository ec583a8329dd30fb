// How fast bytes go, and how long the rest will take: an average over the last while.

const windowMs = 15_000;
/** Before this much has been seen, a forecast would only be noise. */
const settledMs = 2_000;

export class Rate {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** `bytes`: all done up to now. */
  add(atMs: number, bytes: number): void {
    this.#samples.push({ atMs, bytes });
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? atMs) < atMs - windowMs) this.#samples.shift();
  }

  get bytesPerSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs);
  }

  /** Null when it cannot be told. */
  remainingMs(bytesTotal: number | null): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (bytesTotal === null || first === undefined || last === undefined) return null;
    const rate = this.bytesPerSecond;
    if (rate <= 0 || last.atMs - first.atMs < settledMs || last.bytes >= bytesTotal) return null;
    return ((bytesTotal - last.bytes) * 1000) / rate;
  }
}
