// Reads a pack as it is stored, for people who look inside.
import { HoldfastError } from "../errors.ts";
import { idOf } from "../format/id.ts";
import type { Repository } from "../store/repository.ts";

/** All bytes of a pack; `damaged` when they do not match its name. */
export async function loadPack(repository: Repository, name: string): Promise<Buffer> {
  const bytes = await repository.storage.read("pack", name);
  if (idOf(bytes) !== name) {
    throw new HoldfastError("damaged", `the pack ${name} is damaged: its content does not match its name`, {
      context: { type: "pack", name },
    });
  }
  return bytes;
}
