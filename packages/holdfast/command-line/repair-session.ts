// What the verbs that repair share: the repository alone and without a cache, and how far they are.

import type { Session } from "../access/session.ts";
import type { Context } from "./context.ts";
import { ProgressMonitor } from "./display/progress-monitor.ts";
import { openSession } from "./session.ts";

/** What is repaired is what the storage holds now: nothing comes from the cache. A dry run needs no lock, as in restic. */
export function openForRepair(context: Context, dryRun: boolean): Promise<Session> {
  return openSession(
    { ...context, globals: { ...context.globals, noCache: true } },
    dryRun ? "none" : "exclusive",
    true,
  );
}

/** Shows how far a repair is: so many of the things that `unit` names. Ends with its scope. */
export class RepairProgress implements Disposable {
  readonly #monitor: ProgressMonitor;

  constructor(context: Context) {
    this.#monitor = new ProgressMonitor(context.output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: ({ unit, done, total }, elapsedMs) => ({
        message_type: "status",
        seconds_elapsed: Math.trunc(elapsedMs / 1000),
        doing: unit,
        percent_done: total ? Math.min(1, done / total) : 0,
        done,
        ...(total === null ? {} : { total }),
      }),
    });
  }

  update(unit: string, done: number, total: number | null): void {
    this.#monitor.update({ unit, done, total, bytesDone: 0, bytesTotal: null, errors: 0, current: [] });
  }

  [Symbol.dispose](): void {
    this.#monitor[Symbol.dispose]();
  }
}
