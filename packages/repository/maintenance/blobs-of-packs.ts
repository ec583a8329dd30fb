// Which blobs lie in certain packs: as the packs say themselves, or the index where a pack cannot be asked.
import { hasCode, HoldfastError } from "../errors.ts";
import { findByPrefix } from "../format/id.ts";
import type { BlobType } from "../index/blob-index.ts";
import type { Repository } from "../store/repository.ts";
import { readPackHeader } from "./read-pack-header.ts";

/** Ids in hex, by type. */
export type BlobsByType = Readonly<Record<BlobType, ReadonlySet<string>>>;

/** `beginnings` of the packs' names. Throws `not-found` for a name that no pack has, or several have. */
export async function blobsOfPacks(repository: Repository, beginnings: readonly string[]): Promise<BlobsByType> {
  const index = await repository.loadIndex();
  const sizes = new Map<string, number>();
  const isMeant = (name: string): boolean => beginnings.some((beginning) => name.startsWith(beginning));
  for await (const { name, sizeBytes } of repository.storage.list("pack")) {
    if (isMeant(name)) sizes.set(name, sizeBytes);
  }
  const known = new Set([...sizes.keys(), ...index.packs.filter(isMeant)]);
  const found = { data: new Set<string>(), tree: new Set<string>() };
  const unreadable = new Set<string>();
  for (const name of new Set(beginnings.map((beginning) => findByPrefix(known, beginning, "pack")))) {
    const blobs = await headerOf(repository, name, sizes.get(name));
    if (blobs === null) unreadable.add(name);
    else for (const { type, id } of blobs) found[type].add(id);
  }
  if (unreadable.size === 0) return found;
  for (const { id, type, location } of index.blobs()) {
    if (unreadable.has(location.pack)) found[type].add(id.toString("hex"));
  }
  const lost = [...unreadable].find((name) => !index.packs.includes(name));
  if (lost === undefined) return found;
  throw new HoldfastError("damaged", `the pack ${lost} cannot be read, and no index tells what it holds`, {
    context: { type: "pack", name: lost },
  });
}

/** Null when the pack is gone or its header cannot be read. */
async function headerOf(repository: Repository, name: string, sizeBytes: number | undefined) {
  if (sizeBytes === undefined) return null;
  try {
    return await readPackHeader(repository, name, sizeBytes);
  } catch (error) {
    if (!hasCode(error, "damaged") && !hasCode(error, "not-found")) throw error;
    return null;
  }
}
