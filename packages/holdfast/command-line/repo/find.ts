// `holdfast repo find`: looks for files, or for blobs, trees and packs, in snapshots.

import {
  blobsOfPacks,
  everyPath,
  HoldfastError,
  PathSelection,
  SnapshotSearch,
  type Repository,
  type SearchOptions,
  type StoredSnapshot,
} from "@holdfast/repository";
import type { Command } from "commander";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { printableName } from "../display/printable.ts";
import { findReport, type FindReport } from "../find-report.ts";
import { collect } from "../global-options.ts";
import { WantedIds } from "../wanted-ids.ts";
import { openSession } from "../session.ts";
import { newestFirst } from "../snapshot-filter.ts";
import { addSnapshotOptions, severalSnapshots, type SnapshotOptions } from "../snapshot-options.ts";
import { parseDayOrTimeNs } from "../values/times.ts";
import { requireWords } from "../words.ts";

interface FindOptions extends SnapshotOptions {
  oldest?: string;
  newest?: string;
  snapshot?: string[];
  blob?: boolean;
  tree?: boolean;
  pack?: boolean;
  showPackId?: boolean;
  ignoreCase?: boolean;
  reverse?: boolean;
  long?: boolean;
  humanReadable?: boolean;
}

/** Looks through one snapshot. */
type Search = (snapshot: StoredSnapshot) => Promise<void>;

export const findVerb: Verb<FindOptions> = {
  describe(command: Command): void {
    command.description(
      "Find files and folders by patterns, or the places of blobs, trees and packs, in all snapshots.",
    );
    addSnapshotOptions(command, "of the list");
    command
      .option("-s, --snapshot <id>", "look only into this snapshot; repeat for more", collect)
      .option("-O, --oldest <time>", 'only what was changed then or later, like "2012-11-01 22:08:41" or "2012-11-01"')
      .option("-N, --newest <time>", "only what was changed then or before")
      .option("-i, --ignore-case", "take upper and lower case as equal")
      .option("-R, --reverse", "the oldest snapshot first (default: the newest)")
      .option("-l, --long", "with mode, owner, size and time")
      .option("--human-readable", "sizes like 1.234 MiB")
      .option("--blob", "the words are ids of blobs, or their beginnings: find the files that hold them")
      .option("--tree", "the words are ids of trees: find the folders")
      .option("--pack", "the words are ids of packs: find everything that lies in them")
      .option("--show-pack-id", "with --blob, --tree and --pack: name the packs of what is looked for")
      .addHelpText(
        "after",
        `
A pattern holds for what it matches and for all that is below. Patterns are those of --exclude.

Examples:
  $ holdfast repo find '*.conf'
  $ holdfast repo find -l --oldest 2026-11-01 /home/me/report.odt
  $ holdfast repo find --blob 420f620f --show-pack-id
`,
      );
  },

  async run(context: Context, words: readonly string[], options: FindOptions): Promise<ExitCode> {
    requireWords(words, 1, Infinity, "the pattern");
    const question = questionOf(words, options);
    await using session = await openSession(context, "shared");
    const { repository, signal } = session;
    const all = await severalSnapshots(context, repository, options.snapshot ?? [], options);
    const snapshots = options.reverse === true ? newestFirst(all).toReversed() : newestFirst(all);
    const { output } = context;
    const { long = false, humanReadable = false } = options;
    const report = findReport(output, { long, humanReadable });
    let damaged = 0;
    const reportDamage = (path: Buffer, error: HoldfastError): void => {
      damaged++;
      output.itemError(printableName(path), "find", error);
    };
    const ids = question.ids === null ? null : await question.ids(repository);
    const about = { report: reportDamage, signal };
    const search =
      ids === null ? searchPatterns(repository, question, about, report) : searchIds(repository, ids, about, report);
    for (const snapshot of snapshots) {
      try {
        await search(snapshot);
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code !== "damaged") throw error;
        reportDamage(Buffer.from(`snapshot ${snapshot.id.slice(0, 8)}`), error);
      }
    }
    await report.finish();
    if (options.showPackId === true && ids !== null && !output.json)
      for (const line of await ids.packLines(repository)) output.line(line);
    if (damaged === 0) return exitCodes.done;
    throw new HoldfastError("damaged", `${formatCount(damaged, "folder")} could not be read and searched`);
  },
};

interface Question {
  readonly patterns: PathSelection;
  readonly oldestNs: bigint | null;
  readonly newestNs: bigint | null;
  /** Null for patterns. */
  readonly ids: ((repository: Repository) => Promise<WantedIds>) | null;
}

/** Throws `usage` for what contradicts itself. */
function questionOf(words: readonly string[], options: FindOptions): Question {
  const kinds = [options.blob, options.tree, options.pack].filter((kind) => kind === true);
  if (kinds.length > 1)
    throw new HoldfastError("usage", "--blob, --tree and --pack were given together", { hint: "give one of them" });
  const oldestNs = options.oldest === undefined ? null : parseDayOrTimeNs(options.oldest, "--oldest");
  const newestNs = options.newest === undefined ? null : parseDayOrTimeNs(options.newest, "--newest");
  if (oldestNs !== null && newestNs !== null && oldestNs > newestNs)
    throw new HoldfastError("usage", "--oldest is after --newest", { hint: "give the earlier time with --oldest" });
  const rules = options.ignoreCase === true ? { iinclude: words } : { include: words };
  return {
    patterns: new PathSelection(kinds.length > 0 ? everyPath : { ...everyPath, ...rules }),
    oldestNs,
    newestNs,
    ids: kinds.length === 0 ? null : idsOf(words, options),
  };
}

function idsOf(words: readonly string[], { pack, tree }: FindOptions): NonNullable<Question["ids"]> {
  const beginnings = words.map((word) => {
    if (/^[0-9a-f]{1,64}$/.test(word)) return word;
    throw new HoldfastError("usage", `${JSON.stringify(word)} is no id, nor the beginning of one`);
  });
  if (pack === true)
    return async (repository) => {
      const { data, tree: trees } = await blobsOfPacks(repository, beginnings);
      return new WantedIds({ blobs: [...data], trees: [...trees] });
    };
  const wanted = tree === true ? { blobs: [], trees: beginnings } : { blobs: beginnings, trees: [] };
  return async () => new WantedIds(wanted);
}

function searchPatterns(
  repository: Repository,
  { patterns, oldestNs, newestNs }: Question,
  about: Pick<SearchOptions, "report" | "signal">,
  report: FindReport,
): Search {
  const search = new SnapshotSearch(repository, {
    ...about,
    enters: (path) => patterns.choose(path, true).enter,
    matches: (path, node) =>
      patterns.choose(path, node.type === "dir").selected &&
      (oldestNs === null || node.mtime >= oldestNs) &&
      (newestNs === null || node.mtime <= newestNs),
  });
  return async (snapshot) => {
    for await (const { path, node } of search.in(snapshot.tree)) await report.match(snapshot, path, node);
  };
}

function searchIds(
  repository: Repository,
  ids: WantedIds,
  about: Pick<SearchOptions, "report" | "signal">,
  report: FindReport,
): Search {
  const search = new SnapshotSearch(repository, {
    ...about,
    enters: () => true,
    matches: (_path, { type, subtree, content }) =>
      (type === "dir" && subtree !== null && ids.isTree(subtree)) ||
      (type === "file" && content !== null && content.some((id) => ids.isBlob(id))),
  });
  return async (snapshot) => {
    const tree = (id: string, path: Buffer): Promise<void> =>
      report.object({ kind: "tree", id, path, parentTree: null, snapshot });
    if (ids.isTree(snapshot.tree)) await tree(snapshot.tree, Buffer.from("/"));
    for await (const { path, node, parentTree } of search.in(snapshot.tree)) {
      if (node.type === "dir" && node.subtree !== null) await tree(node.subtree, path);
      for (const id of node.content ?? [])
        if (ids.isBlob(id)) await report.object({ kind: "blob", id, path, parentTree, snapshot });
    }
  };
}
