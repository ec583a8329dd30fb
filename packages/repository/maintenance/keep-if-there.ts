// Has a file of the repository kept somewhere else before a repair removes it.
import { hasCode } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";

/** Hands the bytes as they are to `keep`; of a file that is gone there is nothing to keep. */
export async function keepIfThere(
  storage: Storage,
  type: "index" | "snapshot",
  name: string,
  keep: (name: string, bytes: Buffer) => Promise<void>,
): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await storage.read(type, name);
  } catch (error) {
    if (hasCode(error, "not-found")) return;
    throw error;
  }
  await keep(name, bytes);
}
