// The story of the demo: copy, back up, change, back up again, destroy, restore, compare, check, ask restic.

import { HoldfastError, openLibc, type BackupSummary, type Identity } from "@holdfast/repository";
import { formatBytes, formatCount } from "../command-line/display/amounts.ts";
import { printableName } from "../command-line/display/printable.ts";
import type { Output } from "../command-line/output.ts";
import { changeFiles, type Changes } from "./change-files.ts";
import { chooseEntries, type Choice, type Source } from "./choose-entries.ts";
import { compareFacts, touchedFiles, type Comparison, type Difference } from "./compare-facts.ts";
import { copyEntries } from "./copy-entries.ts";
import { DemoRepository } from "./demo-repository.ts";
import type { DemoReport, ReportRow } from "./demo-report.ts";
import { Narrator } from "./narrator.ts";
import { makePeculiarEntries } from "./peculiar-entries.ts";
import { bytesOf, rawPath, type RawPath } from "./raw-path.ts";
import { removeTree } from "./remove-tree.ts";
import { missedByOldRestic } from "./restic-limits.ts";
import { ResticProgram } from "./restic-program.ts";
import { readTreeFacts, type TreeFacts } from "./tree-facts.ts";
import type { Workplace } from "./workplace.ts";

export interface DemonstrationParts {
  readonly place: Workplace;
  readonly sources: readonly Source[];
  readonly output: Output;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  readonly identity: Identity;
  readonly programVersion: string;
  /** Called with each restored tree before it is compared: what a test breaks there must be found. */
  readonly restored?: (tree: RawPath) => void;
}

const differencesShown = 10;
const peculiarName = "peculiar entries of the demo";

/** Runs the whole story. Throws when a step fails; what differs after a restore is told and counted in the report. */
export async function demonstrate(parts: DemonstrationParts): Promise<DemoReport> {
  const startedMs = parts.clock();
  const story = new Demonstration(parts);
  await story.copy();
  const repository = await story.makeRepository();
  const first = await story.backUp(repository, "first backup", null);
  await story.change();
  const second = await story.backUp(repository, "second backup", first);
  await story.destroy();
  await story.bringBack(repository, "latest restored", second);
  await story.bringBack(repository, "first restored", first);
  await story.check(repository);
  const resticVersion = await story.askRestic(second);
  const { rows, differences } = story;
  return { rows, differences, resticVersion, seconds: (parts.clock() - startedMs) / 1000 };
}

/** A snapshot with what the tree was when it was taken. */
interface Taken {
  readonly id: string;
  readonly facts: TreeFacts;
}

class Demonstration {
  readonly rows: ReportRow[] = [];
  differences = 0;
  readonly #parts: DemonstrationParts;
  readonly #narrator: Narrator;
  readonly #calls = openLibc();
  #facts: TreeFacts = new Map();

  constructor(parts: DemonstrationParts) {
    this.#parts = parts;
    this.#narrator = new Narrator(parts.output, parts.clock);
  }

  async copy(): Promise<void> {
    const { place, sources, signal } = this.#parts;
    const { files } = place;
    const { result: choice } = await this.#narrator.step(
      "copy",
      async (show) => {
        const choice = await chooseEntries(sources, rawPath(place.directory), signal);
        place.requireSpace(choice.sizeBytes);
        const progress = (done: number): void => show(done / choice.entries.length);
        await copyEntries(choice.entries, files, { calls: this.#calls, signal, progress });
        return choice;
      },
      (choice) => [
        `${formatCount(choice.files, "file")}, ${formatBytes(choice.sizeBytes)}, from`,
        ...wrapped(choice.sources.map((source) => printableName(bytesOf(source)))),
        ...leftOutLines(choice),
      ],
    );
    await this.#narrator.step(
      "add",
      () => makePeculiarEntries(`${files}/${peculiarName}`, this.#calls),
      ({ made, notPossible }) => [
        "what simple backups lose:",
        ...wrapped(made),
        ...(notPossible.length === 0 ? [] : [`not possible here: ${notPossible.join(", ")}`]),
      ],
    );
    if (choice.files === 0) throw new HoldfastError("usage", "there are no files to show anything on");
  }

  async makeRepository(): Promise<DemoRepository> {
    const { place, identity, now, signal, programVersion } = this.#parts;
    const password = place.makePassword();
    const parts = { path: place.repository, password, identity, now, signal, programVersion };
    const { result } = await this.#narrator.step(
      "init",
      () => DemoRepository.create(parts),
      () => ["a new repository, its password in a file of mode 0600"],
    );
    return result;
  }

  async backUp(repository: DemoRepository, name: string, parent: Taken | null): Promise<Taken> {
    const before = parent?.facts ?? new Map();
    const facts = await this.#readFacts(this.#parts.place.files);
    const read = touchedFiles(before, facts);
    const { result: summary, seconds } = await this.#narrator.step(
      "back up",
      (show) => repository.backup(this.#parts.place.files, parent?.id ?? null, sizeOf(facts), show),
      (summary) => backupLines(summary, read.sizeBytes),
    );
    if (summary.files.unmodified + read.files !== filesOf(facts)) {
      throw new HoldfastError(
        "internal",
        `${read.files} files were touched, but ${summary.files.unmodified} taken as unmodified`,
      );
    }
    const { bytesAdded, bytesStored, snapshotId } = summary;
    this.rows.push({ name, bytesRead: read.sizeBytes, bytesAdded, bytesStored, seconds, comparison: null });
    return { id: snapshotId ?? "", facts };
  }

  async change(): Promise<void> {
    await this.#narrator.step("change", () => changeFiles(this.#parts.place.files, this.#facts), changeLines);
  }

  async destroy(): Promise<void> {
    const { files } = this.#parts.place;
    await this.#narrator.step(
      "destroy",
      () => removeTree(files, this.#parts.signal),
      (removed) => [`the copy is gone: ${formatCount(removed, "entry", "entries")} removed`],
    );
  }

  async bringBack(repository: DemoRepository, name: string, taken: Taken): Promise<void> {
    const { place } = this.#parts;
    const target = place.at(name.replaceAll(" ", "-"));
    const { seconds, result } = await this.#narrator.step(
      "restore",
      (show) => repository.restore(taken.id, target, show),
      ({ bytesRestored }) => [`snapshot ${taken.id.slice(0, 8)}: ${formatBytes(bytesRestored)}`],
    );
    const comparison = await this.#compare(taken, target);
    const { bytesRestored } = result;
    this.rows.push({ name, bytesRead: bytesRestored, bytesAdded: null, bytesStored: null, seconds, comparison });
    // The latest stays for those who keep the place.
    if (name !== "latest restored") await removeTree(target, this.#parts.signal);
  }

  async check(repository: DemoRepository): Promise<void> {
    await this.#narrator.step(
      "check",
      (show) => repository.check(show),
      ({ packs, bytesRead }) => [`every byte of ${formatCount(packs, "pack")} (${formatBytes(bytesRead)}): no errors`],
    );
  }

  /** The version of restic, or null where there is none. */
  async askRestic(taken: Taken): Promise<string | null> {
    const { place, environment, signal } = this.#parts;
    const { repository, passwordFile } = place;
    const restic = await ResticProgram.find({ repository, passwordFile, environment, signal });
    if (restic === null) {
      this.#narrator.say([
        "(restic is not installed: with it, the demo would also let",
        "plain restic open, check and restore this repository)",
      ]);
      return null;
    }
    const target = place.at("restored-by-restic");
    await this.#narrator.step(
      "restic",
      async () => {
        const count = await restic.countSnapshots();
        if (count !== 2) throw new HoldfastError("internal", `restic sees ${count} snapshots instead of 2`);
        await restic.check();
      },
      () => [`${restic.version} sees 2 snapshots, and no errors in any byte`],
    );
    const { seconds } = await this.#narrator.step(
      "restic",
      () => restic.restore(taken.id, bytesOf(target).toString("utf8")),
      () => [`${restic.version} restores snapshot ${taken.id.slice(0, 8)}`],
    );
    // With its paths, as restic has always restored.
    const comparison = await this.#compare(taken, target, restic);
    this.rows.push({
      name: "restic restored",
      bytesRead: null,
      bytesAdded: null,
      bytesStored: null,
      seconds,
      comparison,
    });
    await removeTree(target, signal);
    return restic.version;
  }

  async #compare(taken: Taken, target: RawPath, restic: ResticProgram | null = null): Promise<Comparison> {
    const tree = `${target}/files`;
    this.#parts.restored?.(tree);
    const ignored = restic === null ? undefined : missedByOldRestic(restic, taken.facts);
    const { result } = await this.#narrator.step(
      "compare",
      async () => compareFacts(taken.facts, await readTreeFacts(tree, this.#calls, this.#parts.signal), ignored),
      ({ entries, files, filesEqual, differences }) =>
        differences.length === 0
          ? [
              `all ${entries} entries equal, among them ${formatCount(files, "file")}: content,`,
              "mode, owner, times, links, attributes",
            ]
          : [
              `${differences.length} DIFFERENCES; ${filesEqual} of ${files} files are equal`,
              ...differenceLines(differences),
            ],
    );
    this.differences += result.differences.length;
    return result;
  }

  /** Remembers them for the next change. */
  async #readFacts(tree: RawPath): Promise<TreeFacts> {
    const { result } = await this.#narrator.step(
      "note",
      () => readTreeFacts(tree, this.#calls, this.#parts.signal),
      (facts) => [`content and attributes of ${formatCount(facts.size, "entry", "entries")}, to compare with later`],
    );
    this.#facts = result;
    return result;
  }
}

function filesOf(facts: TreeFacts): number {
  return [...facts.values()].filter(({ type }) => type === "file").length;
}

function sizeOf(facts: TreeFacts): number {
  return [...facts.values()].reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
}

function leftOutLines({ leftOut }: Choice): string[] {
  return leftOut === 0 ? [] : [`(left out: ${formatCount(leftOut, "entry", "entries")} not readable, or special)`];
}

function backupLines({ snapshotId, bytesAdded, bytesStored }: BackupSummary, bytesRead: number): string[] {
  const amounts = `${formatBytes(bytesRead)} read, ${formatBytes(bytesAdded)} new, ${formatBytes(bytesStored)} stored`;
  return [`snapshot ${snapshotId?.slice(0, 8)}:`, amounts];
}

function changeLines({ edited, deleted, added, renamed, modesChanged }: Changes): string[] {
  return wrapped([
    `${edited} files edited`,
    `${deleted} deleted`,
    `${added} added`,
    `${renamed} renamed`,
    `${modesChanged} with other modes`,
  ]);
}

function differenceLines(differences: readonly Difference[]): string[] {
  const lines = differences.slice(0, differencesShown).map(({ path, aspect, was, is }) => {
    const safe = (text: string): string => printableName(bytesOf(text));
    return `${printableName(bytesOf(path))}: ${aspect} was ${safe(was)}, is ${safe(is)}`;
  });
  const more = differences.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

/** Words in lines of a bearable length. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const [index, word] of words.entries()) {
    const text = index < words.length - 1 ? `${word},` : word;
    const last = lines.at(-1);
    if (last !== undefined && last.length + text.length < 56) lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(text);
  }
  return lines;
}
