// Refuses work for which a file system has no room, before anything is written.
import { stat, statfs } from "node:fs/promises";
import { displayPath, HoldfastError } from "@holdfast/repository";
import { formatBytes } from "../display/amounts.ts";

/**
 * Throws `no-space` when the file system of `directory` has less than `sizeBytes` free for this process, naming both;
 * `context` has them as `neededBytes` and `freeBytes`. What root keeps for itself does not count as free.
 */
export async function requireFreeSpace(directory: Buffer, sizeBytes: number): Promise<void> {
  const freeBytes = await freeBytesOf(directory);
  if (freeBytes >= sizeBytes) return;
  const shown = displayPath(directory);
  throw new HoldfastError(
    "no-space",
    `${formatBytes(sizeBytes)} are needed in ${shown}, and ${formatBytes(freeBytes)} are free there`,
    { context: { path: shown, neededBytes: sizeBytes, freeBytes } },
  );
}

/** The same for several things at once: what comes to one file system is added up. Throws `no-space`, `target`. */
export async function requireFreeSpaceForAll(
  parts: readonly { readonly directory: Buffer; readonly sizeBytes: number }[],
): Promise<void> {
  const systems = new Map<number, { directory: Buffer; sizeBytes: number }>();
  for (const { directory, sizeBytes } of parts) {
    const device = await deviceOf(directory);
    const known = systems.get(device);
    systems.set(device, { directory: known?.directory ?? directory, sizeBytes: (known?.sizeBytes ?? 0) + sizeBytes });
  }
  for (const { directory, sizeBytes } of systems.values()) await requireFreeSpace(directory, sizeBytes);
}

async function deviceOf(directory: Buffer): Promise<number> {
  try {
    return (await stat(directory)).dev;
  } catch (error) {
    throw unknown(directory, error);
  }
}

async function freeBytesOf(directory: Buffer): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch (error) {
    throw unknown(directory, error);
  }
}

function unknown(directory: Buffer, error: unknown): HoldfastError {
  const reason = error instanceof Error ? error.message : String(error);
  const message = `cannot tell what is free in ${displayPath(directory)}: ${reason}`;
  return new HoldfastError("target", message, { cause: error });
}
