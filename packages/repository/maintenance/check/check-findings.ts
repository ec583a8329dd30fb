// Makes findings of damages, once it is known what each of them hurts.
import type { Damage } from "./check-damage.ts";
import { blobName } from "./check-damage.ts";
import type { Impacts } from "./check-impact.ts";
import { describeImpact } from "./check-impact.ts";
import type { CheckedIndex } from "./check-index.ts";
import type { BlobName, Finding } from "./check-report.ts";
import { namedAtMost } from "./check-report.ts";

const problemsNamed = 3;

/** In the order of the damages. */
export function findingsOf(damages: readonly Damage[], impacts: Impacts, checked: CheckedIndex): Finding[] {
  const lostPacks = blobsOfWholePacks(damages, checked);
  return damages.map((damage) => {
    const { kind, pack, blobs } = damage;
    const lost = (damage.isWhole && lostPacks.get(pack ?? "")) || {
      first: [...blobs.values().take(namedAtMost)].map(blobName),
      count: blobs.size,
    };
    const isSaidBefore = impacts.isSaidBefore(damage);
    const before = isSaidBefore ? " (what it hurts is told with another one above)" : "";
    return {
      severity: "error",
      kind,
      message: messageOf(damage, lost.count) + before,
      file: pack === null ? null : { type: "pack", name: pack },
      blobs: lost.first,
      blobCount: lost.count,
      isSaidBefore,
      ...describeImpact(impacts.of(damage)),
    };
  });
}

interface LostBlobs {
  readonly first: BlobName[];
  readonly count: number;
}

function blobsOfWholePacks(damages: readonly Damage[], { index, packs }: CheckedIndex): Map<string, LostBlobs> {
  const lost = new Map<string, LostBlobs>();
  for (const { isWhole, pack } of damages) {
    if (!isWhole || pack === null) continue;
    lost.set(pack, { first: [], count: packs[index.packNumber(pack)]?.blobs ?? 0 });
  }
  if (lost.size === 0) return lost;
  for (const { id, type, location } of index.blobs()) {
    const first = lost.get(location.pack)?.first;
    if (first && first.length < namedAtMost) first.push({ type, id: id.toString("hex") });
  }
  return lost;
}

function messageOf({ kind, pack, problems, blobs }: Damage, lost: number): string {
  const named =
    [...problems.values().take(problemsNamed)].join("; ") +
    (problems.size > problemsNamed ? `; and ${problems.size - problemsNamed} more` : "");
  switch (kind) {
    case "pack-missing":
      return `the pack ${pack} is missing, and with it ${lost} blobs`;
    case "pack-damaged":
      return `the pack ${pack} is damaged: ${named}`;
    case "blobs-missing":
      return `${lost} blobs that snapshots need are in no index`;
    case "tree-invalid":
      return `the tree ${blobName([...blobs][0]!).id} is invalid: ${named}`;
  }
}
