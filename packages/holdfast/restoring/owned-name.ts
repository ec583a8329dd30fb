// Names of throwaway directories that tell which process made them, so that those of a dead one can be removed.
import { randomBytes } from "node:crypto";
import type { ProcessIdentity } from "../state/process-identity.ts";

const bootIdPattern = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

/** `PREFIXpid-start-boot-random`: all of a ProcessIdentity, and a part that nobody can guess. */
export function ownedName(prefix: string, { pid, startTicks, bootId }: ProcessIdentity): string {
  return `${prefix}${pid}-${startTicks}-${bootId.replaceAll("-", "")}-${randomBytes(8).toString("hex")}`;
}

/** Who made the directory of this name; null for a name that `ownedName` did not make with this prefix. */
export function ownerOf(prefix: string, name: string): ProcessIdentity | null {
  if (!name.startsWith(prefix)) return null;
  const found = /^(\d{1,10})-(\d{1,15})-([0-9a-f]{32})-[0-9a-f]{16}$/.exec(name.slice(prefix.length));
  const [, pid, startTicks, bootId] = found ?? [];
  if (pid === undefined || startTicks === undefined || bootId === undefined) return null;
  return {
    pid: Number(pid),
    startTicks: Number(startTicks),
    bootId: bootId.replace(bootIdPattern, "$1-$2-$3-$4-$5"),
  };
}
