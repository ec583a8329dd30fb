// Brings sources of a recovery point to places beside, elsewhere or for a swap, and compares each with its record.
import {
  displayPath,
  findNode,
  HoldfastError,
  walk,
  type Repository,
  type RestoreEvent,
  type StoredSnapshot,
} from "@holdfast/repository";
import {
  sourceKinds,
  type CapturedSource,
  type Difference,
  type RestoredCopy,
  type RestoreTarget,
  type SnapshotPart,
  type SourceContext,
  type SourceKind,
} from "@holdfast/sources";
import { rawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";
import type { Manifest, ManifestSource } from "../records/manifest.ts";
import { decodeRawPath } from "../records/raw-path.ts";
import { StoredPart } from "../restoring/snapshot-part.ts";

/** A source of a recovery point that can be brought back. */
export interface RestorableSource {
  readonly name: string;
  readonly kind: SourceKind<unknown>;
  readonly captured: CapturedSource;
  readonly part: SnapshotPart;
}

export interface RestoredSource {
  readonly source: RestorableSource;
  readonly copies: readonly RestoredCopy[];
  readonly differences: readonly Difference[];
}

export interface RestorePoint {
  readonly repository: Repository;
  readonly snapshot: StoredSnapshot;
  readonly manifest: Manifest;
}

/** What of a recovery point is wanted; null is everything. */
export interface Wanted {
  readonly sources: readonly string[] | null;
  /** One path inside a source. */
  readonly path: Buffer | null;
}

/**
 * The sources that are wanted. Throws `usage` for names that the recovery point does not have, and `not-found` for
 * what it has not stored or cannot be relied on.
 */
export function restorableSources(
  point: RestorePoint,
  wanted: Wanted,
  context: SourceContext,
  listener: (event: RestoreEvent) => void,
): RestorableSource[] {
  const { sources } = point.manifest;
  for (const name of wanted.sources ?? []) {
    const source = sources[name];
    if (source === undefined) {
      throw new HoldfastError("usage", `the recovery point has no source ${JSON.stringify(name)}`, {
        hint: `it has: ${Object.keys(sources).join(", ")}`,
      });
    }
    if (!isStored(source)) {
      const isThere = source.paths.length > 0;
      const problem = isThere ? "is stored, but cannot be relied on" : "was not stored";
      throw new HoldfastError("not-found", `the source ${name} ${problem}: ${source.reason ?? source.outcome}`, {
        hint: isThere
          ? "choose another recovery point, or bring it back as it is with `holdfast repo restore`"
          : "choose another recovery point: `holdfast snapshots` lists them",
      });
    }
  }
  const found = Object.entries(sources).flatMap(([name, source]) => {
    if (!isStored(source) || wanted.sources?.includes(name) === false) return [];
    const paths = pathsOf(source, wanted.path);
    if (paths.length === 0) return [];
    const part = new StoredPart(point.repository, point.snapshot, name, { signal: context.signal, listener });
    return [{ name, kind: kindOf(name, source), captured: { paths, facts: source.witness?.facts ?? {} }, part }];
  });
  if (found.length > 0) return found;
  const what = wanted.path === null ? "no source that was stored" : `nothing at ${displayPath(wanted.path)}`;
  throw new HoldfastError("not-found", `the recovery point has ${what}`, {
    hint: "`holdfast ls` lists what is in it",
  });
}

/** A path of a source, and the bytes of all files at and below it. */
export interface SizedPath {
  readonly source: RestorableSource;
  readonly path: Buffer;
  readonly sizeBytes: number;
}

/** All paths of these sources, for the question whether there is room for them. */
export async function sizedPaths(point: RestorePoint, sources: readonly RestorableSource[]): Promise<SizedPath[]> {
  const all: SizedPath[] = [];
  for (const source of sources) {
    for (const path of source.captured.paths) {
      all.push({ source, path, sizeBytes: await sizeOf(point, Buffer.concat([Buffer.from(`/${source.name}`), path])) });
    }
  }
  return all;
}

export function sumOfSizes(paths: readonly SizedPath[]): number {
  return paths.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** `path` is one of the snapshot. */
async function sizeOf({ repository, snapshot }: RestorePoint, path: Buffer): Promise<number> {
  const node = await findNode(repository, snapshot.tree, path);
  const below = node?.subtree ?? null;
  if (below === null) return Number(node?.size ?? 0);
  const report = (_path: Buffer, error: HoldfastError): void => {
    throw error;
  };
  let bytes = 0;
  for await (const entry of walk(repository, below, { report })) bytes += Number(entry.node.size);
  return bytes;
}

/**
 * Restores the sources one after the other and compares each with its record. Copies that differ are left for the
 * caller to judge; when anything is thrown, nothing is left.
 */
export async function restoreSources(
  sources: readonly RestorableSource[],
  targetOf: (source: RestorableSource) => RestoreTarget,
  context: SourceContext,
): Promise<RestoredSource[]> {
  const made: Buffer[] = [];
  try {
    const restored: RestoredSource[] = [];
    for (const source of sources) {
      const { place } = targetOf(source);
      const noting = (path: Buffer): Buffer => {
        const copy = place(path);
        made.push(copy);
        return copy;
      };
      const target = { kind: "paths", place: noting } as const;
      const copies = await source.kind.restore(source.captured, onlyOwn(source.part, made), target, context);
      const differences = await source.kind.compare(source.captured, copies, source.part, context);
      restored.push({ source, copies, differences });
    }
    return restored;
  } catch (error) {
    for (const copy of made) await removeTree(rawPath(copy));
    throw error;
  }
}

/** A place that was taken before is not ours to remove. */
function onlyOwn(part: SnapshotPart, made: Buffer[]): SnapshotPart {
  return {
    restore: async (path, copy) => {
      try {
        await part.restore(path, copy);
      } catch (error) {
        made.splice(made.indexOf(copy), 1);
        throw error;
      }
    },
    compare: (path, copy) => part.compare(path, copy),
  };
}

function isStored(source: ManifestSource): boolean {
  return (source.outcome === "good" || source.outcome === "partial") && source.paths.length > 0;
}

/** All its paths, or the one that is wanted if it lies at or below one of them. */
function pathsOf(source: ManifestSource, wanted: Buffer | null): Buffer[] {
  const paths = source.paths.map(decodeRawPath);
  if (wanted === null) return paths;
  const isInside = (top: Buffer): boolean =>
    wanted.equals(top) || wanted.subarray(0, top.length + 1).equals(Buffer.concat([top, Buffer.from("/")]));
  return paths.some(isInside) ? [wanted] : [];
}

function kindOf(name: string, { kind }: ManifestSource): SourceKind<unknown> {
  const found = Object.entries(sourceKinds).find(([each]) => each === kind)?.[1];
  if (found !== undefined) return found;
  throw new HoldfastError(
    "unsupported",
    `the source ${name} is of the kind ${kind}, which this version does not know`,
    {
      hint: "use a newer Holdfast, or restic, which restores its files",
    },
  );
}

/** Copies of what was restored, to be removed. */
export async function removeCopies(restored: readonly RestoredSource[]): Promise<void> {
  for (const { copies } of restored) for (const { copy } of copies) await removeTree(rawPath(copy));
}

/** The first differences, for an error. */
export function describeDifferences(restored: readonly RestoredSource[]): string {
  const all = restored.flatMap(({ source, differences }) =>
    differences.map(({ what, problem }) => `${source.name}: ${what}: ${problem}`),
  );
  const shown = all.slice(0, 5);
  return [...shown, ...(all.length > shown.length ? [`and ${all.length - shown.length} more`] : [])].join("; ");
}
