// Which process something belongs to, in a way that a later process with the same number is not taken for it.
import { readFileSync } from "node:fs";
import { z } from "zod";

export const processIdentitySchema = z.object({
  pid: z.number().int(),
  /** When it started: clock ticks since the machine did. */
  startTicks: z.number().int(),
  /** Of the running kernel: after a restart of the machine no process of before is left. */
  bootId: z.string(),
});
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0, bootId: bootId() };
}

/** Whether that very process still runs. One that has ended and only waits to be collected does not. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && startTicksOf(identity.pid) === identity.startTicks;
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Field 22 of /proc/PID/stat, see proc_pid_stat(5); null when there is no such process. */
function startTicksOf(pid: number): number | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    // Nothing but the absence of the process keeps this file from being read.
    return null;
  }
  // The name of the program, in parentheses, may hold anything; the state, field 3, follows it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return null;
  return Number(fields[19]);
}
