// Watches how much memory a command takes, from /proc while it runs.
import { readdirSync, readFileSync } from "node:fs";

const sampleEveryMs = 20;

/**
 * Adds up the largest resident memory (VmHWM) that each process below `parentId` ever had. The kernel keeps that
 * maximum, so a peak between two looks is not missed, only what a process grows in its last 20 ms. Processes that
 * never ran at the same time are added up all the same: the sum is never too kind.
 */
export class PeakMemory {
  readonly #parentId: number;
  readonly #bytesOfProcess = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(parentId: number) {
    this.#parentId = parentId;
    this.#timer = setInterval(() => this.#look(), sampleEveryMs);
  }

  /** Ends the watching; bytes. */
  stop(): number {
    clearInterval(this.#timer);
    let bytes = 0;
    for (const processBytes of this.#bytesOfProcess.values()) bytes += processBytes;
    return bytes;
  }

  #look(): void {
    const waiting = childrenOf(this.#parentId);
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const bytes = peakOf(id);
      if (bytes > 0) this.#bytesOfProcess.set(id, bytes);
      waiting.push(...childrenOf(id));
    }
  }
}

/** Any thread may have started a child. */
function childrenOf(processId: number): number[] {
  const found: number[] = [];
  for (const thread of unlessGone(() => readdirSync(`/proc/${processId}/task`), [])) {
    const ids = unlessGone(() => readFileSync(`/proc/${processId}/task/${thread}/children`, "utf8"), "");
    for (const id of ids.split(" ")) if (id !== "") found.push(Number(id));
  }
  return found;
}

/** The kernel counts anew when a process becomes another program, so a forked shell adds nothing to it. */
function peakOf(processId: number): number {
  const status = unlessGone(() => readFileSync(`/proc/${processId}/status`, "utf8"), "");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** A process may end between two looks. */
function unlessGone<T>(look: () => T, gone: T): T {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return gone;
    throw error;
  }
}
