// What older versions of restic do not bring back of a snapshot, so that it is not held against the repository.

import type { Aspect } from "./compare-facts.ts";
import type { RawPath } from "../filesystem/raw-path.ts";
import type { ResticProgram } from "./restic-program.ts";
import type { TreeFacts } from "./tree-facts.ts";

/** Before 0.16: link targets that are not UTF-8 (its issue 3311), extended attributes of links (4375). */
export function missedByOldRestic(
  restic: Pick<ResticProgram, "isAtLeast">,
  facts: TreeFacts,
): (path: RawPath, aspect: Aspect) => boolean {
  if (restic.isAtLeast(0, 16)) return () => false;
  return (path, aspect) => {
    const link = facts.get(path);
    if (link?.type !== "symlink") return false;
    return aspect === "extended attributes" || (aspect === "link target" && !isUtf8(link.linkTarget));
  };
}

function isUtf8(raw: string): boolean {
  const bytes = Buffer.from(raw, "latin1");
  return Buffer.from(bytes.toString("utf8")).equals(bytes);
}
