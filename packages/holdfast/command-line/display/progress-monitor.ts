// Shows how far an operation is: live on a terminal, a line now and then elsewhere, JSON lines for programs.

import type { Output } from "../output.ts";
import { progressLine, progressLines, type Progress } from "./progress-lines.ts";
import { Rate } from "./rate.ts";

const liveIntervalMs = 100;
const jsonIntervalMs = 1_000;
const plainIntervalMs = 60_000;
const sampleIntervalMs = 500;

export interface ProgressMonitorOptions {
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** RESTIC_PROGRESS_FPS, if set: how often a second to show something, at most 10. */
  readonly framesPerSecond: number | null;
  /** The object for --json. */
  readonly toJson: (progress: Progress, elapsedMs: number, remainingMs: number | null) => unknown;
}

export class ProgressMonitor implements Disposable {
  readonly #output: Output;
  readonly #options: ProgressMonitorOptions;
  #rate = new Rate();
  readonly #startedMs: number;
  readonly #timers: NodeJS.Timeout[] = [];
  #progress: Progress;
  /** Nothing is shown before the first news. */
  #isKnown = false;
  readonly #onSignal = (): void => this.#showPlain();
  readonly #onResize = (): void => this.#output.live?.clear();

  constructor(output: Output, options: ProgressMonitorOptions) {
    this.#output = output;
    this.#options = options;
    this.#startedMs = options.clock();
    this.#progress = { unit: null, done: 0, total: null, bytesDone: 0, bytesTotal: null, errors: 0, current: [] };
    this.#every(sampleIntervalMs, () => this.#rate.add(this.#options.clock(), this.#progress.bytesDone));
    const frameMs = options.framesPerSecond === null ? 0 : Math.max(liveIntervalMs, 1000 / options.framesPerSecond);
    if (output.json) {
      if (output.verbosity > 0) this.#every(frameMs || jsonIntervalMs, () => this.#showJson());
    } else if (output.live !== null) {
      this.#every(frameMs || liveIntervalMs, () => this.#showLive());
      process.on("SIGWINCH", this.#onResize);
    } else if (output.verbosity > 0) {
      this.#every(frameMs || plainIntervalMs, () => this.#showPlain());
    }
    process.on("SIGUSR1", this.#onSignal);
  }

  update(progress: Progress): void {
    // Another thing is being counted: its rate begins anew.
    if (progress.unit !== this.#progress.unit) this.#rate = new Rate();
    this.#progress = progress;
    this.#isKnown = true;
  }

  get elapsedMs(): number {
    return this.#options.clock() - this.#startedMs;
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    process.off("SIGUSR1", this.#onSignal);
    process.off("SIGWINCH", this.#onResize);
    this.#output.live?.clear();
  }

  #every(intervalMs: number, show: () => void): void {
    this.#timers.push(setInterval(() => this.#isKnown && show(), intervalMs).unref());
  }

  get #remainingMs(): number | null {
    return this.#rate.remainingMs(this.#progress.bytesTotal);
  }

  #showLive(): void {
    const { live } = this.#output;
    if (live === null) return;
    this.#output.flush();
    live.show(
      progressLines(this.#progress, this.elapsedMs, this.#remainingMs, this.#rate.bytesPerSecond, live.columns),
    );
  }

  #showPlain(): void {
    if (this.#output.json) return this.#showJson();
    this.#output.line(progressLine(this.#progress, this.elapsedMs, this.#remainingMs, this.#rate.bytesPerSecond));
    this.#output.flush();
  }

  #showJson(): void {
    this.#output.jsonLine(this.#options.toJson(this.#progress, this.elapsedMs, this.#remainingMs));
    this.#output.flush();
  }
}
