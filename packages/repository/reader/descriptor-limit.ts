// How many directories a batch of a restore may keep open, from the limit that the system sets for descriptors.
import { readFileSync } from "node:fs";

/** What everything else may need: the repository's files and connections, files of several blobs, threads. */
const otherDescriptors = 256;
/** Up to three batches are alive at a time, and the walk is inside of further directories. */
const shares = 4;
const usualLimit = 1024;
const usefulDirectories = 2048;

/** With more directories a batch takes more of each pack at once. */
export function batchDirectories(): number {
  return Math.max(16, Math.min(usefulDirectories, Math.floor((descriptorLimit() - otherDescriptors) / shares)));
}

function descriptorLimit(): number {
  let limits = "";
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    // Without it the smallest usual limit is right everywhere.
  }
  const found = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
  return found === "unlimited" ? Number.POSITIVE_INFINITY : Number(found ?? usualLimit);
}
