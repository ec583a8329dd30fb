// Which recovery point a word means: the newest good one of a stack, or the one with an id, whatever its outcome.
import { HoldfastError, parseTime, type StoredSnapshot } from "@holdfast/repository";
import { OpenRepositories, repositoriesOfStacks, type OpenRepository } from "../access/open-repositories.ts";
import type { Session } from "../access/session.ts";
import type { Configuration, RepositoryConfiguration } from "../configuration/configuration.ts";
import { nameHint } from "../configuration/nearest-name.ts";
import { loadManifest } from "../records/load-manifest.ts";
import type { Manifest } from "../records/manifest.ts";
import { stackOf } from "../records/tags.ts";
import type { RepositoryContext } from "./job-context.ts";

export interface ChoiceContext {
  readonly configuration: Configuration;
  readonly job: RepositoryContext;
}

export interface Chosen {
  /** Open; the caller disposes of it. */
  readonly session: Session;
  readonly repository: RepositoryConfiguration;
  readonly stack: string;
  readonly snapshot: StoredSnapshot;
  readonly manifest: Manifest;
  /** One that is newer and not good, where the newest good one was asked for. */
  readonly newerPartial: StoredSnapshot | null;
}

/** A recovery point of a repository that is open. */
interface Candidate extends OpenRepository {
  readonly stack: string;
  readonly snapshot: StoredSnapshot;
}

/**
 * `word` is a stack (of the configuration, or one that is only in a repository) or the beginning of an id. `atNs`:
 * nothing newer than that. Repositories that cannot be opened are warned of as long as others can answer. Throws
 * `not-found` with what there is, `usage` for an id that is not clear or comes with `atNs`, and what keeps all
 * repositories closed.
 */
export async function chooseSnapshot(
  { configuration, job }: ChoiceContext,
  word: string,
  { atNs }: { readonly atNs?: bigint | undefined } = {},
): Promise<Chosen> {
  const isStack = configuration.stacks.has(word);
  const wanted = isStack ? repositoriesOfStacks(configuration, [word]) : configuration.repositories.values();
  await using repositories = await OpenRepositories.open(wanted, job);
  const candidates = await candidatesOf(repositories, job);
  const ofStack = candidates.filter(({ stack }) => stack === word);
  const byId = isStack || ofStack.length > 0 ? null : byPrefix(candidates, word);
  if (byId !== null && atNs !== undefined) {
    throw new HoldfastError("usage", "a time chooses among the recovery points of a stack, and an id is one already", {
      hint: "name the stack, or leave --at out",
    });
  }
  const chosen =
    byId === null
      ? await newestGood(ofStack, atNs, job)
      : { ...byId, manifest: await loadManifest(byId.session.repository, byId.snapshot), newerPartial: null };
  for (const { repository, error } of repositories.failed) {
    // It may have the one that is meant.
    if (chosen === null) throw error;
    job.warn(`the repository ${repository.name} was not looked at: ${error.message}`);
  }
  if (chosen === null) throw notFound(word, configuration, candidates, ofStack, atNs);
  repositories.take(chosen.session);
  return chosen;
}

/** All recovery points, the oldest first; what cannot be read is warned of. */
async function candidatesOf(repositories: OpenRepositories, job: RepositoryContext): Promise<Candidate[]> {
  const all: Candidate[] = [];
  for (const opened of repositories.opened) {
    const { snapshots, damaged } = await opened.session.repository.loadSnapshots();
    for (const { id } of damaged) {
      job.warn(`the snapshot ${id.slice(0, 8)} of ${opened.repository.name} is damaged: run \`holdfast check\``);
    }
    for (const snapshot of snapshots) {
      const stack = stackOf(snapshot);
      if (stack !== null) all.push({ ...opened, stack, snapshot });
    }
  }
  const time = ({ snapshot }: Candidate): bigint => parseTime(snapshot.time);
  return all.sort((a, b) => (time(a) < time(b) ? -1 : time(a) > time(b) ? 1 : 0));
}

/** Null when none begins so. */
function byPrefix(candidates: readonly Candidate[], word: string): Candidate | null {
  const prefix = word.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(prefix)) return null;
  const found = candidates.filter(({ snapshot }) => snapshot.id.startsWith(prefix));
  const ids = [...new Set(found.map(({ snapshot }) => snapshot.id))];
  if (ids.length <= 1) return found[0] ?? null;
  throw new HoldfastError("usage", `${ids.length} recovery points begin with "${word}"`, {
    hint: `give more digits: ${ids
      .slice(0, 5)
      .map((id) => id.slice(0, 12))
      .join(", ")}`,
  });
}

async function newestGood(
  ofStack: readonly Candidate[],
  atNs: bigint | undefined,
  job: RepositoryContext,
): Promise<Chosen | null> {
  let newerPartial: StoredSnapshot | null = null;
  for (const candidate of ofStack.toReversed()) {
    if (atNs !== undefined && parseTime(candidate.snapshot.time) > atNs) continue;
    const manifest = await readableManifest(candidate, job);
    if (manifest?.outcome === "good") return { ...candidate, manifest, newerPartial };
    if (manifest !== null) newerPartial ??= candidate.snapshot;
  }
  return null;
}

/** Null, with a warning, for one that is damaged: an older one may be whole. */
async function readableManifest({ session, snapshot }: Candidate, job: RepositoryContext): Promise<Manifest | null> {
  try {
    return await loadManifest(session.repository, snapshot);
  } catch (error) {
    if (!(error instanceof HoldfastError) || (error.code !== "damaged" && error.code !== "unsupported")) throw error;
    job.warn(`${error.message}: it was passed over`);
    return null;
  }
}

function notFound(
  word: string,
  configuration: Configuration,
  candidates: readonly Candidate[],
  ofStack: readonly Candidate[],
  atNs: bigint | undefined,
): HoldfastError {
  const [oldest] = ofStack;
  if (oldest !== undefined) {
    const until = atNs === undefined ? "" : " up to that time";
    const points = `${ofStack.length} recovery ${ofStack.length === 1 ? "point" : "points"}`;
    return new HoldfastError("not-found", `the stack ${word} has no good recovery point${until}`, {
      hint: `it has ${points}, the oldest of ${oldest.snapshot.time.slice(0, 19)}: see \`holdfast snapshots ${word}\`, and name one by its id to use it all the same`,
    });
  }
  if (configuration.stacks.has(word)) {
    return new HoldfastError("not-found", `the stack ${word} has no recovery point yet`, {
      hint: `make one: \`holdfast backup ${word}\``,
    });
  }
  const stacks = new Set([...configuration.stacks.keys(), ...candidates.map(({ stack }) => stack)]);
  return new HoldfastError("not-found", `there is no stack and no recovery point ${JSON.stringify(word)}`, {
    hint: `${nameHint(word, [...stacks])} Recovery points: \`holdfast snapshots\``,
  });
}
