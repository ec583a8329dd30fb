// Runs one command and tells on file descriptor 3 how long it took and how much processor time it used.
//
// A process of its own, because getrusage adds up all children that a process has waited for: here that is the
// command, and whatever the command itself waited for, and nothing else.
import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import koffi from "koffi";

/** What is written to descriptor 3, as JSON. */
export interface CommandUsage {
  readonly wallMs: number;
  /** User and system time of the command and of its children. */
  readonly cpuMs: number;
  readonly exitCode: number | null;
}

const usageDescriptor = 3;
const rusageChildren = -1;
/** `struct rusage` on 64-bit Linux begins with two timevals (seconds and microseconds): user, then system. */
const rusageBytes = 144;

function childrenCpuMs(getrusage: (who: number, usage: Buffer) => number): number {
  const usage = Buffer.alloc(rusageBytes);
  if (getrusage(rusageChildren, usage) !== 0) throw new Error("getrusage failed");
  const word = (index: number): number => Number(usage.readBigInt64LE(index * 8));
  return (word(0) + word(2)) * 1000 + (word(1) + word(3)) / 1000;
}

const [program = "", ...words] = process.argv.slice(2);
const getrusage = koffi.load(null).func("int getrusage(int, void *)") as (who: number, usage: Buffer) => number;
const startedAt = process.hrtime.bigint();
const result = spawnSync(program, words, { stdio: "inherit" });
const wallMs = Number(process.hrtime.bigint() - startedAt) / 1e6;
if (result.error) throw result.error;
const usage: CommandUsage = { wallMs, cpuMs: childrenCpuMs(getrusage), exitCode: result.status };
writeSync(usageDescriptor, JSON.stringify(usage));
