// The lines at the bottom of a terminal that are drawn again and again while work is under way.

export interface TerminalStream {
  write(text: string): unknown;
  readonly columns?: number | undefined;
}

const toLineStart = "\r";
const clearBelow = "\u001b[J";
const upLines = (count: number): string => (count === 0 ? "" : `\u001b[${count}A`);

/** Draws over its own lines only. Lines must fit the width: see `columns`. */
export class LiveArea {
  readonly #stream: TerminalStream;
  #drawn = 0;

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  /** Cells of a line (80 where the terminal does not say); the last one stays free, since some terminals wrap when it is written. */
  get columns(): number {
    return Math.max(10, (this.#stream.columns || 80) - 1);
  }

  show(lines: readonly string[]): void {
    this.#stream.write(this.#erase() + lines.join("\n"));
    this.#drawn = lines.length;
  }

  clear(): void {
    if (this.#drawn === 0) return;
    this.#stream.write(this.#erase());
    this.#drawn = 0;
  }

  #erase(): string {
    return this.#drawn === 0 ? "" : toLineStart + upLines(this.#drawn - 1) + clearBelow;
  }
}
