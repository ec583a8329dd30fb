// What older versions of restic do not bring back of a snapshot, so that it is not held against the repository.

import type { Aspect } from "./compare-facts.ts";
import type { RawPath } from "./raw-path.ts";
import type { ResticProgram } from "./restic-program.ts";
import type { TreeFacts } from "./tree-facts.ts";

/** Before 0.16 restic knew no link targets but those of UTF-8 (its issue 3311). */
export function missedByOldRestic(
  restic: Pick<ResticProgram, "isAtLeast">,
  facts: TreeFacts,
): (path: RawPath, aspect: Aspect) => boolean {
  if (restic.isAtLeast(0, 16)) return () => false;
  const isUtf8 = (raw: string): boolean => Buffer.from(Buffer.from(raw, "latin1").toString("utf8")).toString("latin1") === raw;
  return (path, aspect) => aspect === "link target" && !isUtf8(facts.get(path)?.linkTarget ?? "");
}
