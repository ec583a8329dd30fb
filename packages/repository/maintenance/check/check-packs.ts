// Compares the index with the list of packs in the storage: what is missing, too short, overlapping, or in no index.
import type { Repository } from "../../store/repository.ts";
import type { DamageLog } from "./check-damage.ts";
import { blobKey } from "./check-damage.ts";
import type { CheckedIndex, PackBlob, PackFacts } from "./check-index.ts";

/** The sizes of all packs in the storage, by name. */
export async function checkPacks(
  repository: Repository,
  checked: CheckedIndex,
  log: DamageLog,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, sizeBytes } of repository.storage.list("pack")) sizes.set(name, sizeBytes);
  const odd = oddPacks(checked, sizes);
  if (odd.size > 0)
    for (const { pack, blobs } of checked.contents())
      if (odd.has(pack)) checkPlaces(pack, blobs, sizes.get(pack.name), log);
  for (const pack of checked.packs) addHints(pack, log);
  const indexed = new Set(checked.packs.map(({ name }) => name));
  for (const name of sizes.keys()) {
    if (indexed.has(name)) continue;
    log.add({
      severity: "rubbish",
      kind: "pack-unindexed",
      message: `the pack ${name} is in no index`,
      file: { type: "pack", name },
    });
  }
  return sizes;
}

/** Those whose blobs are to be looked at one by one: gone, of another size, or not listed one behind the other. */
function oddPacks({ index, packs }: CheckedIndex, sizes: ReadonlyMap<string, number>): Set<PackFacts> {
  const odd = new Set<PackFacts>();
  const ends = new Float64Array(packs.length);
  index.eachPlace((_entry, _type, pack, offset, lengthBytes) => {
    if (ends[pack] !== offset) odd.add(packs[pack]!);
    ends[pack]! += lengthBytes;
  });
  for (const pack of packs) if (sizes.get(pack.name) !== pack.blobBytes + pack.headerBytes) odd.add(pack);
  return odd;
}

function checkPlaces(pack: PackFacts, blobs: readonly PackBlob[], sizeBytes: number | undefined, log: DamageLog): void {
  const { name } = pack;
  const file = { type: "pack", name } as const;
  if (sizeBytes === undefined) {
    log.pack(name, "pack-missing", "it is missing", "all");
  } else if (pack.blobBytes + pack.headerBytes !== sizeBytes) {
    // Only what lies beyond the end is surely lost; reading the data tells the rest.
    const lost = blobs.filter(({ location }) => location.offset + location.lengthBytes > sizeBytes).map(keyOf);
    log.pack(
      name,
      "pack-damaged",
      `it has ${sizeBytes} bytes where the index speaks of ${pack.blobBytes + pack.headerBytes}`,
      lost,
    );
  }
  let end = 0;
  if (blobs.some(({ location }) => location.offset !== end || ((end += location.lengthBytes), false))) {
    log.add({
      severity: "error",
      kind: "index-contradiction",
      message: `the index gives blobs of the pack ${name} places with gaps or overlaps`,
      file,
    });
  }
}

function addHints(pack: PackFacts, log: DamageLog): void {
  const { name } = pack;
  const file = { type: "pack", name } as const;
  if (pack.indexFiles > 1) {
    log.add({
      severity: "hint",
      kind: "pack-indexed-twice",
      message: `the pack ${name} is listed in ${pack.indexFiles} index files`,
      file,
    });
  }
  if (pack.hasData && pack.hasTrees) {
    log.add({ severity: "hint", kind: "pack-mixed", message: `the pack ${name} holds both data and trees`, file });
  }
}

function keyOf({ type, id }: PackBlob): ReturnType<typeof blobKey> {
  return blobKey(type, id.toString("hex"));
}
