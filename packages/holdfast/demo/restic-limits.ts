// What older versions of restic do not bring back of a snapshot, so that it is not held against the repository.

import type { Aspect } from "./compare-facts.ts";
import type { ResticProgram } from "./restic-program.ts";
import type { RawPath } from "./raw-path.ts";
import type { TreeFacts } from "./tree-facts.ts";

export function missedByOldRestic(_restic: ResticProgram, _facts: TreeFacts): (path: RawPath, aspect: Aspect) => boolean {
  return () => false;
}
