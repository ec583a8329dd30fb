// A fixed number of slots that tasks take in turn.

export class Slots {
  #free: number;
  #failure: unknown = null;
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next.resolve();
    else this.#free++;
  }

  /** Whoever waits, and whoever comes, gets this error. */
  fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
