// What a copy did: lines for people, JSON for programs.

import type { CopyEvent, CopyReport } from "@holdfast/repository";
import { formatBytes, formatCount } from "../display/amounts.ts";
import { printableText } from "./display/printable.ts";
import { ProgressMonitor } from "./display/progress-monitor.ts";
import type { Progress } from "./display/progress-lines.ts";
import type { Context } from "./context.ts";

/** Shows a copy while it runs; dispose of it before the last lines are printed. */
export class CopyDisplay implements Disposable {
  readonly #context: Pick<Context, "output">;
  readonly #monitor: ProgressMonitor;
  #errors = 0;

  constructor(context: Pick<Context, "output" | "clock" | "globals">) {
    const { output, clock, globals } = context;
    this.#context = context;
    this.#monitor = new ProgressMonitor(output, {
      clock,
      framesPerSecond: globals.framesPerSecond,
      toJson: copyStatusJson,
    });
  }

  /** How many things went wrong that do not end a copy. */
  get errors(): number {
    return this.#errors;
  }

  get elapsedMs(): number {
    return this.#monitor.elapsedMs;
  }

  show(event: CopyEvent): void {
    const { output } = this.#context;
    switch (event.kind) {
      case "progress":
        return this.#monitor.update(progressOf(event, this.#errors));
      case "present":
        if (output.json && output.verbosity >= 2) output.jsonLine(snapshotJson("present", event));
        return output.detail(`snapshot ${event.snapshot.id.slice(0, 8)} is there already, as ${event.as.slice(0, 8)}`);
      case "copied":
        if (output.json) output.jsonLine(snapshotJson("copied", event));
        return output.note(copiedLine(event));
      case "failed":
        this.#errors++;
        return output.itemError(`snapshot ${event.snapshot.id}`, "copy", event.error);
      case "damaged-there":
        this.#errors++;
        return output.itemError(`snapshot ${event.id} at the destination`, "load", event.error);
    }
  }

  [Symbol.dispose](): void {
    this.#monitor[Symbol.dispose]();
  }
}

export function copySummaryJson(report: CopyReport, elapsedMs: number): object {
  return {
    message_type: "summary",
    snapshots_copied: report.copied,
    snapshots_present: report.present,
    snapshots_failed: report.failed,
    blobs: report.blobs,
    bytes: report.bytes,
    bytes_stored: report.storedBytes,
    total_duration: elapsedMs / 1000,
  };
}

export function copySummaryLine(report: CopyReport): string {
  const { copied, present, failed, blobs, storedBytes } = report;
  const parts = [
    `${formatCount(copied, "snapshot")} copied`,
    ...(present > 0 ? [`${present} there already`] : []),
    ...(failed > 0 ? [`${failed} not copied`] : []),
    `${formatCount(blobs, "blob")} (${formatBytes(storedBytes)}) added`,
  ];
  return parts.join(", ");
}

function snapshotJson(action: string, { snapshot, as }: Extract<CopyEvent, { as: string }>): object {
  return { message_type: "snapshot", action, source_id: snapshot.id, snapshot_id: as };
}

function copiedLine({ snapshot, as }: Extract<CopyEvent, { as: string }>): string {
  const what = printableText(`${snapshot.time.slice(0, 19)} ${snapshot.hostname} ${snapshot.paths.join(", ")}`);
  return `snapshot ${snapshot.id.slice(0, 8)} copied as ${as.slice(0, 8)}: ${what}`;
}

function progressOf(event: Extract<CopyEvent, { kind: "progress" }>, errors: number): Progress {
  return {
    unit: "blobs",
    done: event.blobs,
    total: null,
    bytesDone: event.bytes,
    bytesTotal: event.totalBytes,
    errors,
    current: [],
  };
}

function copyStatusJson(progress: Progress, elapsedMs: number): object {
  const { done, bytesDone, bytesTotal, errors } = progress;
  return {
    message_type: "status",
    seconds_elapsed: Math.trunc(elapsedMs / 1000),
    percent_done: bytesTotal ? Math.min(1, bytesDone / bytesTotal) : 0,
    blobs_done: done,
    bytes_done: bytesDone,
    total_bytes: bytesTotal ?? 0,
    error_count: errors,
  };
}
