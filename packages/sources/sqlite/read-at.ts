// Reads a part of a file, all of it or up to the end of the file.
import type { FileHandle } from "node:fs/promises";
import { HoldfastError } from "@holdfast/repository";

/** How many bytes of `into` were filled: fewer only at the end of the file. `name` is for messages; throws `source`. */
export async function readAt(file: FileHandle, into: Buffer, position: number, name: string): Promise<number> {
  let filled = 0;
  try {
    while (filled < into.length) {
      const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  } catch (error) {
    throw new HoldfastError("source", `cannot read ${name}: ${(error as Error).message}`, {
      hint: "check the disk: the system log says more",
      cause: error,
      context: { path: name, position },
    });
  }
}
