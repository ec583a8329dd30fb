// Tells from the findings of a check which repairs help.
import type { Finding } from "./check-report.ts";

/** What is to be done, in the order of the fields; then another check tells what is left. */
export interface Remedies {
  /** A new config is needed, unless a copy of the old one is found. */
  readonly config: boolean;
  /** Key files that are of no use, and should be removed and made anew. */
  readonly keys: readonly string[];
  /** Lock files that cannot be read keep out whoever needs the repository alone. */
  readonly locks: boolean;
  readonly index: boolean;
  /** Packs to be salvaged. */
  readonly packs: readonly string[];
  /** Snapshot files that cannot be read: to be removed, and what they had to be gathered by `recover`. */
  readonly unreadableSnapshots: readonly string[];
  /** Snapshots miss something that no repair of index or packs brings back. */
  readonly snapshots: boolean;
}

export function remediesOf(findings: readonly Finding[]): Remedies {
  const errors = findings.filter(({ severity }) => severity === "error");
  const damagedFiles = (type: string): string[] =>
    errors.flatMap(({ kind, file }) => (kind === "file-damaged" && file?.type === type ? [file.name] : []));
  const has = (...kinds: readonly Finding["kind"][]): boolean => errors.some(({ kind }) => kinds.includes(kind));
  const isUnindexed = findings.some(({ kind }) => kind === "pack-unindexed");
  const isHurt = errors.some(({ snapshots = [], file }) => snapshots.length > 0 && file?.type !== "snapshot");
  return {
    config: errors.some(({ file }) => file?.type === "config"),
    keys: damagedFiles("key"),
    locks: damagedFiles("lock").length > 0,
    index:
      damagedFiles("index").length > 0 ||
      has("index-contradiction", "pack-missing", "pack-damaged") ||
      (has("blobs-missing") && isUnindexed),
    packs: [...new Set(errors.flatMap(({ kind, file }) => (kind === "pack-damaged" && file ? [file.name] : [])))],
    unreadableSnapshots: damagedFiles("snapshot"),
    snapshots: isHurt,
  };
}
