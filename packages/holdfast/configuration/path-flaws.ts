// Looks where the paths of a configuration lie in one another: a repository inside what is captured, sources that overlap.

import { realpathSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { Selection, selectEverything } from "@holdfast/repository";
import type { Configuration, SourceConfiguration, StackConfiguration } from "./configuration.ts";
import type { FieldPath, Flaw } from "./problem.ts";

type Parts = Pick<Configuration, "repositories" | "stacks">;

/** A place that every backup writes to and that must not be captured itself. */
interface OwnPlace {
  readonly path: string;
  readonly what: string;
  readonly consequence: string;
}

const growing = "each backup would hold the ones before";
const changing = "it changes while it is read";

/** A path of a source, with links above it resolved: a link itself is captured as a link. */
interface SourcePath {
  readonly source: SourceConfiguration;
  readonly field: FieldPath;
  readonly path: string;
  readonly asWritten: string;
}

/** `stateDirectory`, `logFile`: null where there is none, or nobody knows it yet. Looks at the disk only to follow links. */
export function pathFlaws(parts: Parts, stateDirectory: string | null, logFile: string | null): Flaw[] {
  const places = ownPlaces(parts, stateDirectory, logFile);
  return [...parts.stacks.values()].flatMap((stack) => {
    const paths = sourcePaths(stack);
    return [
      ...paths.flatMap((path) => places.flatMap((place) => capturedFlaws(path, place))),
      ...paths.flatMap((inner) => paths.flatMap((outer) => overlapFlaws(inner, outer))),
    ];
  });
}

function ownPlaces({ repositories }: Parts, stateDirectory: string | null, logFile: string | null): OwnPlace[] {
  const places: OwnPlace[] = [...repositories.values()].flatMap(({ name, location }) =>
    location.scheme === "local"
      ? [{ path: resolved(location.path), what: `the repository ${name}`, consequence: growing }]
      : [],
  );
  if (stateDirectory !== null)
    places.push({ path: resolved(stateDirectory), what: "Holdfast's own state directory", consequence: growing });
  if (logFile !== null)
    places.push({ path: resolved(logFile), what: "Holdfast's own log file", consequence: changing });
  return places;
}

function sourcePaths(stack: StackConfiguration): SourcePath[] {
  return [...stack.sources.values()].flatMap((source) =>
    source.kind.paths(source.options).map((path) => ({
      source,
      field: ["stacks", stack.name, "sources", source.name, source.kind.name],
      path: join(resolved(dirname(path)), basename(path)),
      asWritten: path,
    })),
  );
}

function capturedFlaws({ source, field, path, asWritten }: SourcePath, place: OwnPlace): Flaw[] {
  if (isWithin(path, place.path)) {
    const message = `captures ${asWritten}, which belongs to ${place.what}: ${place.consequence}`;
    return [{ severity: "error", path: field, message, hint: "protect another path, or move that" }];
  }
  if (!isWithin(place.path, path) || leavesOut(source, path, place.path)) return [];
  const message = `captures ${asWritten}, and with it ${place.what} in ${place.path}: ${place.consequence}`;
  return [
    { severity: "error", path: field, message, hint: `leave it out with exclude: ["${place.path}"], or move it` },
  ];
}

function overlapFlaws(inner: SourcePath, outer: SourcePath): Flaw[] {
  if (inner === outer || !isWithin(inner.path, outer.path)) return [];
  // The same path twice is one flaw, not two.
  const same = inner.path === outer.path;
  if (same && (inner.source === outer.source || outer.source.name > inner.source.name)) return [];
  if (leavesOut(outer.source, outer.path, inner.path)) return [];
  const { source } = inner;
  const message = `captures ${outer.asWritten}, in which ${inner.asWritten} is captured already by ${inner.source === outer.source ? "the same source" : `the source ${source.name}`}`;
  const alone = source.kind.name === outer.source.kind.name;
  const hint = alone
    ? "it is stored once, but restored twice"
    : `as plain files it may be torn: leave it out with exclude: ["${inner.path}*"]`;
  return [{ severity: "warning", path: outer.field, message, hint }];
}

/** Whether `inner`, which lies within `outer`, or a folder on the way to it is excluded by the source. */
function leavesOut({ options }: SourceConfiguration, outer: string, inner: string): boolean {
  const { exclude } = options as { readonly exclude?: unknown };
  if (!Array.isArray(exclude)) return false;
  const selection = new Selection({ ...selectEverything, exclude: exclude as string[] });
  for (let path = inner; isWithin(path, outer); path = dirname(path)) {
    if (selection.excludesPath(Buffer.from(path))) return true;
    if (path === dirname(path)) break;
  }
  return false;
}

/** `inner` is `outer` or lies below it; both absolute and normal. */
export function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith("/") ? outer : `${outer}/`);
}

/** The path with all links resolved, as far as it exists. */
export function resolved(path: string): string {
  const normal = normalize(path).replace(/(.)\/+$/, "$1");
  try {
    return realpathSync(normal);
  } catch {
    const above = dirname(normal);
    return above === normal ? normal : join(resolved(above), basename(normal));
  }
}
