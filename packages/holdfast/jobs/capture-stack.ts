// Captures all sources of a stack as one snapshot: all are open before the first is read.
import {
  backup,
  HoldfastError,
  type BackupEvent,
  type BackupSummary,
  type Repository,
  type StoredSnapshot,
} from "@holdfast/repository";
import { consistencyOrder, type Consistency } from "@holdfast/sources";
import { identityOfProcess } from "../access/identity.ts";
import {
  encodeManifest,
  manifestPath,
  manifestVersion,
  type Manifest,
  type ManifestSource,
} from "../records/manifest.ts";
import { encodeRawPath } from "../records/raw-path.ts";
import { snapshotTags } from "../records/tags.ts";
import type { RepositoryContext } from "./job-context.ts";
import { SourceCapture, type StackSource } from "./source-capture.ts";

export interface CaptureRequest {
  readonly stack: string;
  readonly plan: string;
  readonly runId: string;
  readonly sources: readonly StackSource[];
  readonly parent: StoredSnapshot | null;
  /** Resolves when the lock on the repository is settled. */
  readonly mayWrite: Promise<void>;
  readonly listener: (event: BackupEvent) => void;
}

export interface Capture {
  /** What became of each source, in the order of the configuration. */
  readonly manifest: Manifest;
  /** Null when there was nothing that could be stored. */
  readonly summary: BackupSummary | null;
}

/**
 * Failures of single sources are recorded in the manifest, and the rest is stored; what concerns the repository is
 * thrown, and then there is no snapshot. The caller holds the lock of the stack and a shared one of the repository.
 */
export async function captureStack(
  repository: Repository,
  request: CaptureRequest,
  context: RepositoryContext,
): Promise<Capture> {
  const startedAt = context.now();
  const captures = request.sources.map((source) => new SourceCapture(source));
  await using stack = new AsyncDisposableStack();
  for (const capture of captures) stack.use(capture);
  for (const capture of captures) await capture.look(context);
  for (const capture of captures) await capture.open(context);
  const manifest = (): Manifest => manifestOf(request, captures, startedAt, context);
  const entries = captures.flatMap((capture) => capture.entries());
  if (entries.length === 0) return { manifest: manifest(), summary: null };
  let closed: Manifest | null = null;
  const make = async (): Promise<Buffer> => {
    for (const capture of captures) await capture.settle(context);
    closed = manifest();
    return encodeManifest(closed);
  };
  const { hostname, username, uid, gid } = identityOfProcess();
  const summary = await backup(
    repository,
    {
      entries,
      closingFile: { name: Buffer.from(manifestPath.slice(1)), mode: 0o600, make },
      paths: [`/${request.stack}`],
      hostname,
      username,
      uid,
      gid,
      tags: snapshotTags(request.stack, request.plan),
      excludes: [],
      timeNs: BigInt(startedAt.getTime()) * 1_000_000n,
      programVersion: context.programVersion,
      parent: request.parent,
      oneFileSystem: false,
      withAtime: false,
      dryRun: false,
      skipIfUnchanged: false,
      readBack: true,
      mayWrite: request.mayWrite,
      signal: context.signal,
    },
    (event) => {
      if (event.kind === "error") assign(captures, event);
      request.listener(event);
    },
  );
  if (closed === null) throw new HoldfastError("internal", "the snapshot was stored without its manifest");
  return { manifest: closed, summary };
}

/** Gives an error of the engine to the sources that have this path. */
function assign(captures: readonly SourceCapture[], event: Extract<BackupEvent, { kind: "error" }>): void {
  const { path, error } = event;
  const concerned = captures.filter((capture) => capture.streams(path) || capture.covers(path));
  if (concerned.length === 0) throw new HoldfastError("internal", "a path of the backup belongs to no source");
  for (const capture of concerned) capture.addError(path, error.message);
}

function manifestOf(
  request: CaptureRequest,
  captures: readonly SourceCapture[],
  startedAt: Date,
  context: RepositoryContext,
): Manifest {
  const { stack, plan, runId } = request;
  const whole = captures.every((capture) => capture.outcome === "good" || capture.outcome === "skipped");
  const taken = captures.filter(({ outcome }) => outcome === "good" || outcome === "partial");
  const classes = taken.flatMap(({ opened }) => (opened ? [opened.consistency] : []));
  return {
    version: manifestVersion,
    stack,
    plan,
    runId,
    host: identityOfProcess().hostname,
    program: context.programVersion,
    startedAt: startedAt.toISOString(),
    finishedAt: context.now().toISOString(),
    outcome: whole ? "good" : "partial",
    consistency: weakest(classes),
    skewMs: skewMs(taken.flatMap(({ opened }) => (typeof opened?.pinnedAtNs === "bigint" ? [opened.pinnedAtNs] : []))),
    sources: Object.fromEntries(captures.map((capture) => [capture.source.name, manifestSource(capture)])),
  };
}

function manifestSource(capture: SourceCapture): ManifestSource {
  const { source, outcome, reason, opened, warnings, errors, errorCount, witnessed } = capture;
  const pinnedAtNs = opened?.pinnedAtNs ?? null;
  return {
    kind: source.kind.name,
    outcome,
    optional: source.optional,
    critical: source.critical,
    reason,
    consistency: opened?.consistency ?? null,
    pinnedAt: pinnedAtNs === null ? null : new Date(Number(pinnedAtNs / 1_000_000n)).toISOString(),
    warnings,
    errors,
    errorCount,
    paths:
      outcome === "failed" && witnessed === null ? [] : (opened?.entries ?? []).map(({ path }) => encodeRawPath(path)),
    options: source.options as Record<string, unknown>,
    bytes: capture.streamBytes,
    witness: witnessed && { ...witnessed, damage: [...witnessed.damage] },
  };
}

/** A stack is as consistent as its weakest source; null for nothing. */
function weakest(classes: readonly Consistency[]): Consistency | null {
  return consistencyOrder.find((consistency) => classes.includes(consistency)) ?? null;
}

/** How far apart the pins are; null for fewer than two. */
function skewMs(pinsNs: readonly bigint[]): number | null {
  if (pinsNs.length < 2) return null;
  const sorted = pinsNs.toSorted((a, b) => (a < b ? -1 : 1));
  return Number(sorted.at(-1)! - sorted[0]!) / 1e6;
}
