// `holdfast repo backup`: stores files, or a stream, as a new snapshot.

import {
  backup,
  HoldfastError,
  type BackupEntry,
  type BackupRequest,
  type Repository,
  type SelectionRules,
  type StoredSnapshot,
} from "@holdfast/repository";
import { hostname } from "node:os";
import { posix } from "node:path";
import type { Command } from "commander";
import { addBackupOptions, excludePatterns, selectionRules, type BackupOptions } from "../backup-options.ts";
import { backupStatusJson, backupSummaryJson, backupSummaryLines, reportBackupEvent } from "../backup-report.ts";
import { absoluteTargets, existingTargets, expandNameless, placeTargets } from "../backup-targets.ts";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { ProgressMonitor } from "../display/progress-monitor.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { readFileLists } from "../file-lists.ts";
import { identityOfProcess } from "../../access/identity.ts";
import type { Session } from "../../access/session.ts";
import { openSession } from "../session.ts";
import { chooseSnapshot, everySnapshot, findLatest, parseGrouping, parseTagLists } from "../snapshot-filter.ts";
import { loadSnapshots } from "../snapshot-options.ts";
import { commandSource, standardInputSource } from "../stream-sources.ts";
import { parseTimeNs } from "../values/times.ts";

/** What the words and the options of one run amount to, before a repository is opened. */
interface Plan {
  readonly entries: BackupEntry[];
  readonly paths: string[];
  readonly hostname: string;
  readonly tags: string[];
  readonly timeNs: bigint;
  readonly someMissing: boolean;
  readonly isStream: boolean;
}

const streamMode = 0o644;

export const backupVerb: Verb<BackupOptions> = {
  describe(command: Command): void {
    command.description("Store files and folders, or a stream, as a new snapshot.");
    addBackupOptions(command);
  },

  async run(context: Context, words: readonly string[], options: BackupOptions): Promise<ExitCode> {
    refuseCombinations(context, words, options);
    const plan = makePlan(context, words, options);
    await using session = await openSession(context, options.dryRun === true ? "none" : "shared", true);
    const parent = await findParent(context, session.repository, plan, options);
    const { output } = context;
    output.note(
      parent === null
        ? "no parent snapshot: everything will be read"
        : `using parent snapshot ${parent.id.slice(0, 8)}`,
    );
    using monitor = new ProgressMonitor(output, {
      clock: context.clock,
      framesPerSecond: context.globals.framesPerSecond,
      toJson: backupStatusJson,
    });
    const start = context.now().toISOString();
    const request = requestOf(context, plan, options, parent, session);
    const summary = await backup(session.repository, request, (event) => reportBackupEvent(event, output, monitor));
    monitor[Symbol.dispose]();
    const dryRun = options.dryRun ?? false;
    if (output.json) output.jsonLine(backupSummaryJson(summary, { start, end: context.now().toISOString() }, dryRun));
    else for (const line of ["", ...backupSummaryLines(summary, dryRun, output.verbosity >= 2)]) output.note(line);
    return summary.errors > 0 || plan.someMissing ? exitCodes.partial : exitCodes.done;
  },
};

function refuseCombinations(context: Context, words: readonly string[], options: BackupOptions): void {
  const lists = [...(options.filesFrom ?? []), ...(options.filesFromVerbatim ?? []), ...(options.filesFromRaw ?? [])];
  const stream = options.stdin === true || options.stdinFromCommand === true;
  const refuse = (problem: string, hint: string): never => {
    throw new HoldfastError("usage", problem, { hint });
  };
  if (options.stdin === true && options.stdinFromCommand === true)
    refuse("--stdin and --stdin-from-command were given together", "give one of them");
  if (stream && lists.length > 0) refuse("a stream and lists of files were given together", "make two backups");
  if (options.stdin === true && words.length > 0) refuse("--stdin and paths were given together", "make two backups");
  const { globals } = context;
  const mustAsk =
    [globals.passwordFile, globals.passwordCommand, globals.password].every((given) => given === undefined) &&
    !globals.insecureNoPassword;
  if (mustAsk && (options.stdin === true || lists.includes("-"))) {
    refuse(
      "standard input cannot give both the password and the data",
      "give the password with --password-file or --password-command",
    );
  }
}

function makePlan(context: Context, words: readonly string[], options: BackupOptions): Plan {
  const selection = selectionRules(context, options);
  const timeNs =
    options.time === undefined ? BigInt(context.now().getTime()) * 1_000_000n : parseTimeNs(options.time, "--time");
  const common = {
    timeNs,
    hostname: options.host ?? context.globals.host ?? hostname(),
    tags: parseTagLists(options.tag ?? [])
      .flat()
      .filter((tag) => tag !== ""),
  };
  if (options.stdin === true || options.stdinFromCommand === true) {
    const { uid, gid } = identityOfProcess();
    const at = posix.join("/", options.stdinFilename);
    const source = options.stdin === true ? standardInputSource(context.signal) : commandSource(words, context.signal);
    const entry: BackupEntry = {
      kind: "stream",
      at: Buffer.from(at),
      read: (into) => source.read(into),
      finish: () => source.finish(),
      whenBroken: "fail",
      mode: streamMode,
      uid,
      gid,
      mtimeNs: timeNs,
      hint: { kind: "rabin" },
    };
    return { ...common, entries: [entry], paths: [at], someMissing: false, isStream: true };
  }
  return { ...common, ...planFiles(context, words, options, selection), isStream: false };
}

function planFiles(
  context: Context,
  words: readonly string[],
  options: BackupOptions,
  selection: SelectionRules,
): Pick<Plan, "entries" | "paths" | "someMissing"> {
  const { output } = context;
  const warn = (message: string): void => output.warn(message);
  const { filesFrom = [], filesFromVerbatim = [], filesFromRaw = [] } = options;
  const lists = readFileLists({ filesFrom, filesFromVerbatim, filesFromRaw }, warn);
  const targets = [...lists, ...words.map(context.rawArguments)].map((path) => path.toString("latin1"));
  if (targets.length === 0)
    throw new HoldfastError("usage", "there is nothing to back up", { hint: "give paths, --files-from, or --stdin" });
  if (targets.includes("")) throw new HoldfastError("usage", "one of the paths is empty");
  const existing = existingTargets(targets, (path, error) => output.itemError(printableName(path), "scan", error));
  const bytes = (path: string): Buffer => Buffer.from(path, "latin1");
  const workingDirectory = Buffer.from(process.cwd()).toString("latin1");
  const placed = placeTargets(expandNameless(existing, workingDirectory, selection, warn), workingDirectory);
  return {
    entries: placed.map(({ from, at }) => ({ kind: "files", from: bytes(from), at: bytes(at), selection })),
    paths: absoluteTargets(existing, workingDirectory).map((path) => bytes(path).toString("utf8")),
    someMissing: existing.length < targets.length,
  };
}

/** The snapshot to compare with: the one that was named, or the latest of the group that is no newer. */
async function findParent(
  context: Context,
  repository: Repository,
  plan: Plan,
  options: BackupOptions,
): Promise<StoredSnapshot | null> {
  const grouping = parseGrouping(options.groupBy);
  if (options.force === true || plan.isStream) return null;
  const known = await loadSnapshots(context, repository);
  // A parent only saves work: one that cannot be read is reported, and the backup goes on with the next best.
  const readable = { ...known, damaged: [] };
  if (options.parent === "latest") return chooseSnapshot(readable, "latest", everySnapshot).snapshot;
  if (options.parent !== undefined) return chooseSnapshot(known, options.parent, everySnapshot).snapshot;
  const filter = {
    hosts: grouping.host ? [plan.hostname] : [],
    paths: grouping.paths ? plan.paths : [],
    tags: grouping.tags ? [plan.tags.length === 0 ? [""] : plan.tags] : [],
  };
  return findLatest(known.snapshots, filter, plan.timeNs) ?? null;
}

function requestOf(
  context: Context,
  plan: Plan,
  options: BackupOptions,
  parent: StoredSnapshot | null,
  session: Session,
): BackupRequest {
  const { exclude, iexclude } = excludePatterns(options, context.environment);
  const { username, uid, gid } = identityOfProcess();
  return {
    entries: plan.entries,
    paths: plan.paths,
    hostname: plan.hostname,
    username,
    uid,
    gid,
    tags: plan.tags,
    excludes: [...exclude, ...iexclude],
    timeNs: plan.timeNs,
    programVersion: context.programVersion,
    parent,
    oneFileSystem: options.oneFileSystem ?? false,
    withAtime: options.withAtime ?? false,
    dryRun: options.dryRun ?? false,
    skipIfUnchanged: options.skipIfUnchanged ?? false,
    readBack: options.readBack ?? false,
    mayWrite: session.mayWrite,
    signal: session.signal,
  };
}
