// The story of the demo: an application that lives, two backups, four disasters and their recoveries, and the proof.

import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { HoldfastError, openLibc } from "@holdfast/repository";
import { formatBytes, formatCount } from "../display/amounts.ts";
import { printableName } from "../command-line/display/printable.ts";
import type { Output } from "../command-line/output.ts";
import { bytesOf, rawPath, type RawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";
import { changeFiles } from "./change-files.ts";
import { chooseEntries, type Choice, type Source } from "./choose-entries.ts";
import { touchedFiles, type Aspect } from "./compare-facts.ts";
import { copyEntries } from "./copy-entries.ts";
import { changeLines, listed, sentence, typed, verdictLines } from "./demo-lines.ts";
import { proofLine, type BackupRow, type DemoReport, type RecoveryRow } from "./demo-report.ts";
import { findSecrets } from "./find-secrets.ts";
import { HoldfastProgram } from "./holdfast-program.ts";
import { Narrator } from "./narrator.ts";
import { makePeculiarEntries } from "./peculiar-entries.ts";
import { missedByOldRestic } from "./restic-limits.ts";
import { ResticProgram } from "./restic-program.ts";
import { Shop, type Expected, type Part } from "./shop.ts";
import { ShopWriter } from "./shop-writer.ts";
import type { TreeFacts } from "./tree-facts.ts";
import type { Workplace } from "./workplace.ts";

export interface DemonstrationParts {
  readonly place: Workplace;
  readonly sources: readonly Source[];
  readonly output: Output;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  /** Called after each recovery, before it is compared: what a test breaks there must be found. */
  readonly recovered?: (name: string) => void;
}

const peculiarName = "peculiar entries of the demo";
/** How long the application writes alone, before the backups and after them. */
const aloneMs = 1500;

/** Runs the whole story. Throws when a step fails; what is not as it was is told and counted in the report. */
export async function demonstrate(parts: DemonstrationParts): Promise<DemoReport> {
  const startedMs = parts.clock();
  const story = new Demonstration(parts);
  await story.build();
  await story.makeRepository();
  const [first, second] = await story.live();
  await story.suffer(second);
  await story.takeBack(first, second);
  const proof = await story.drill();
  const resticVersion = await story.askRestic(first, second);
  await story.searchSecrets();
  const { backups, recoveries } = story;
  const problems = recoveries.reduce((sum, row) => sum + row.problems, 0);
  return { backups, recoveries, proof, problems, resticVersion, seconds: (parts.clock() - startedMs) / 1000 };
}

/** A recovery point, with what it must bring back. */
interface Taken extends Expected {
  readonly id: string;
  rows: number | null;
}

interface BackupSummary {
  readonly snapshot_id: string;
  readonly outcome: string;
  readonly bytes_processed: number;
  readonly bytes_added: number;
  readonly bytes_stored: number;
}

class Demonstration {
  readonly backups: BackupRow[] = [];
  readonly recoveries: RecoveryRow[] = [];
  readonly #parts: DemonstrationParts;
  readonly #narrator: Narrator;
  readonly #calls = openLibc();
  readonly #shop: Shop;
  readonly #holdfast: HoldfastProgram;
  #password = "";
  /** How many transfers were acknowledged until the application was stopped. */
  #written = 0;

  constructor(parts: DemonstrationParts) {
    const { place, environment, signal } = parts;
    this.#parts = parts;
    this.#narrator = new Narrator(parts.output, parts.clock);
    this.#shop = new Shop(place, this.#calls, signal);
    const cacheDirectory = bytesOf(place.at("cache")).toString("utf8");
    this.#holdfast = new HoldfastProgram({ directory: place.directory, cacheDirectory, environment, signal });
  }

  async build(): Promise<void> {
    const { place, sources, signal } = this.#parts;
    const uploads = this.#shop.at("uploads");
    await this.#narrator.step(
      "copy",
      async (show) => {
        const choice = await chooseEntries(sources, rawPath(place.directory), signal);
        if (choice.files === 0) throw new HoldfastError("usage", "there are no files to show anything on");
        place.requireSpace(choice.sizeBytes);
        const progress = (done: number): void => show(done / choice.entries.length);
        await copyEntries(choice.entries, uploads, { calls: this.#calls, signal, progress });
        return choice;
      },
      (choice) => [
        `uploads: ${formatCount(choice.files, "file")}, ${formatBytes(choice.sizeBytes)}, from`,
        ...listed(choice.sources.map((source) => printableName(bytesOf(source)))),
        ...leftOutLines(choice),
      ],
    );
    await this.#narrator.step(
      "add",
      () => makePeculiarEntries(`${uploads}/${peculiarName}`, this.#calls),
      ({ made, notPossible }) => [
        "to the uploads, what simple backups lose:",
        ...listed(made),
        ...(notPossible.length === 0 ? [] : [`not possible here: ${notPossible.join(", ")}`]),
      ],
    );
    await this.#narrator.step(
      "build",
      () => this.#shop.build(),
      (sizeBytes) => [
        `the application around them: a SQLite database in WAL mode`,
        `(${formatBytes(sizeBytes)}), certificates, settings with a secret`,
      ],
    );
  }

  async makeRepository(): Promise<void> {
    const { place } = this.#parts;
    const text = this.#shop.configuration();
    await this.#narrator.step(
      "write",
      () => writeFileSync(place.configurationFile, text, { mode: 0o600 }),
      () => ["holdfast.yml:", ...text.trimEnd().split("\n")],
    );
    this.#password = place.makePassword();
    await this.#run("init", ["repo", "init", "-r", "repository", "--password-file", "password"], () => []);
  }

  /** Two backups while another process writes. */
  async live(): Promise<[Taken, Taken]> {
    await using writer = await ShopWriter.start(this.#shop.at("database"));
    await this.#narrator.step(
      "live",
      () => this.#wait(writer),
      ({ transactions, longestMs }) => [
        "another process writes to the database from now on:",
        `${transactions} transactions in ${aloneMs / 1000} s, the longest ${longestMs.toFixed(0)} ms`,
      ],
    );
    const first = await this.#backUp("first backup", writer, new Map());
    this.#shop.keepLog();
    await this.#narrator.step(
      "change",
      () => changeFiles(this.#shop.at("uploads"), this.#shop.uploadsOf(first.facts)),
      changeLines,
    );
    const second = await this.#backUp("second backup", writer, first.facts);
    await this.#narrator.step(
      "live",
      async () => {
        const written = await this.#wait(writer);
        await writer.stop();
        this.#written = writer.acknowledged;
        return written;
      },
      ({ transactions }) => [`${transactions} more transactions; then the application is stopped`],
    );
    return [first, second];
  }

  /** Four disasters, and a recovery after each. */
  async suffer(taken: Taken): Promise<void> {
    const shop = this.#shop;
    const restore = ["restore", "shop"];
    const inPlace = ["--in-place", "--yes"];
    await this.#harm(taken, async () => `the application deletes ${shop.deleteRows()} rows by mistake`);
    await this.#recover("rows deleted", [...restore, "--source", "database", ...inPlace], taken);
    await this.#harm(taken, async () => `garbage over page ${shop.overwritePage()} of the database`);
    await this.#recover("page overwritten", [...restore, "--source", "database", ...inPlace], taken);
    await this.#harm(taken, async () => `uploads and certificates removed: ${await shop.removeFiles()} entries`);
    const files = ["--source", "uploads", "--source", "certificates"];
    await this.#recover("files removed", [...restore, ...files, ...inPlace], taken);
    await this.#harm(taken, async () => `everything removed: ${await shop.removeAll()} entries; and, as a trap,`, [
      "an old shop.db-wal lies where the database was",
    ]);
    await this.#recover("everything removed", [...restore, ...inPlace], taken);
    await this.#narrator.step(
      "trap",
      async () => {
        const { problems } = await shop.inspectTrap();
        if (problems.length === 0) throw new HoldfastError("internal", "the old log does no harm: this shows nothing");
        return problems;
      },
      ([problem = ""]) => ["a restore that left the old log there would have given:", ...sentence(problem)],
    );
  }

  /** A restore that nobody wanted, and `undo`. */
  async takeBack(first: Taken, second: Taken): Promise<void> {
    const wrong = ["restore", first.id.slice(0, 8), "--in-place", "--yes"];
    await this.#recover("wrong one restored", wrong, first);
    await this.#recover("taken back by undo", ["undo", "shop", "--yes"], second);
  }

  async drill(): Promise<DemoReport["proof"]> {
    interface Drill {
      readonly result: string;
      readonly rto_ms: number;
      readonly rpo_ms: number;
    }
    const { result } = await this.#run<Drill>("drill", ["drill", "shop"], ({ result, rto_ms, rpo_ms }) => {
      if (result !== "passed") throw new HoldfastError("internal", `the drill says ${result}`);
      return [proofLine({ rtoMs: rto_ms, rpoMs: rpo_ms })];
    });
    return { rtoMs: result.rto_ms, rpoMs: result.rpo_ms };
  }

  /** The version of restic, or null where there is none. */
  async askRestic(first: Taken, second: Taken): Promise<string | null> {
    const { place, environment, signal } = this.#parts;
    const { repository, passwordFile } = place;
    const restic = await ResticProgram.find({ repository, passwordFile, environment, signal });
    if (restic === null) {
      const words = ["repo", "check", "-r", "repository", "--password-file", "password", "--read-data"];
      await this.#run<{ verdict: string }>("check", words, ({ verdict }) => {
        if (verdict !== "clean") throw new HoldfastError("internal", `the check says ${verdict}`);
        return ["every byte of the repository: no errors"];
      });
      this.#narrator.say([
        "(restic is not installed: with it, the demo would also let",
        "plain restic open, check and restore this repository)",
      ]);
      return null;
    }
    const target = place.at("restored-by-restic");
    const { seconds } = await this.#narrator.step(
      "restic",
      async () => {
        const ids = await restic.snapshotIds();
        if (![first, second].every(({ id }) => ids.includes(id)))
          throw new HoldfastError("internal", "restic does not see both snapshots");
        await restic.check();
        await restic.restore(second.id, bytesOf(target).toString("utf8"));
      },
      () => [`${restic.version} finds no error in any byte, and restores`, `snapshot ${second.id.slice(0, 8)}`],
    );
    // With its paths, as restic has always restored.
    const pathOf = (part: Part): RawPath => `${target}/${part}${this.#shop.at(part)}`;
    await this.#compare("restored by restic", seconds, second, pathOf, missedByOldRestic(restic, second.facts));
    await removeTree(target, signal);
    return restic.version;
  }

  async searchSecrets(): Promise<void> {
    const { place, signal } = this.#parts;
    const said = [...this.#narrator.told, this.#holdfast.said].join("\n");
    const folders = ["repository", "state", "cache"].map((name) => place.at(name));
    await this.#narrator.step(
      "search",
      async () => {
        const found = await findSecrets([this.#shop.secret, this.#password], folders, said, signal);
        if (found !== null) throw new HoldfastError("internal", `a secret stands in plain text in ${found}`);
      },
      () => [
        "the secret of the settings, and the key, stand in no file of",
        "repository, state or cache, and in no output",
      ],
    );
  }

  async #backUp(name: string, writer: ShopWriter, before: TreeFacts): Promise<Taken> {
    const facts = await this.#shop.readFacts();
    const touched = touchedFiles(before, facts);
    writer.take();
    const { acknowledged } = writer;
    const lines = (summary: BackupSummary): readonly string[] => {
      const { transactions, longestMs } = writer.take();
      if (summary.outcome !== "good" || transactions === 0)
        throw new HoldfastError("internal", `the backup is ${summary.outcome}, and ${transactions} transactions ran`);
      const bytesRead = summary.bytes_processed - sizeOf(facts) + touched.sizeBytes;
      const { bytes_added: bytesAdded, bytes_stored: bytesStored } = summary;
      this.backups.push({ name, bytesRead, bytesAdded, bytesStored, seconds: 0, transactions, longestMs });
      return [
        `${formatBytes(bytesRead)} read, ${formatBytes(bytesAdded)} new, ${formatBytes(bytesStored)} stored;`,
        `${transactions} transactions meanwhile, the longest ${longestMs.toFixed(0)} ms`,
      ];
    };
    const { result, seconds } = await this.#run("back up", ["backup", "shop"], lines);
    this.backups[this.backups.length - 1] = { ...this.backups.at(-1)!, seconds };
    return { id: result.snapshot_id, facts, acknowledged, rows: null };
  }

  async #harm(taken: Taken, act: () => Promise<string>, more: readonly string[] = []): Promise<void> {
    await this.#narrator.step("DISASTER", act, (what) => [what, ...more]);
    const { shop, files } = await this.#shop.verify(taken);
    const [problem] = shop.problems;
    if (problem === undefined && files.differences.length === 0)
      throw new HoldfastError("internal", "the disaster did no harm: what follows would show nothing");
    if (problem !== undefined) this.#narrator.say(sentence(`found: ${problem}`));
  }

  async #recover(name: string, words: readonly string[], taken: Taken): Promise<void> {
    const { seconds } = await this.#run<{ bytes?: number }>("recover", words, ({ bytes }) =>
      bytes === undefined ? [] : [`${formatBytes(bytes)}: equal to the witness, then put in place`],
    );
    this.#parts.recovered?.(name);
    await this.#compare(name, seconds, taken);
  }

  async #compare(
    name: string,
    seconds: number,
    taken: Taken,
    pathOf?: (part: Part) => RawPath,
    ignored?: (path: RawPath, aspect: Aspect) => boolean,
  ): Promise<void> {
    const { result } = await this.#narrator.step(
      "compare",
      () => this.#shop.verify(taken, pathOf, ignored),
      (verdict) => verdictLines(verdict, taken, this.#written),
    );
    const { files, shop } = result;
    const problems = files.differences.length + shop.problems.length;
    if (problems === 0) taken.rows = shop.rows;
    this.recoveries.push({
      name,
      seconds,
      rows: shop.rows,
      files: files.files,
      filesEqual: files.filesEqual,
      problems,
    });
  }

  async #run<Summary>(verb: string, words: readonly string[], tell: (summary: Summary) => readonly string[]) {
    return this.#narrator.step(
      verb,
      () => this.#holdfast.run<Summary>(...words),
      (summary) => [...typed(words), ...tell(summary)],
    );
  }

  async #wait(writer: ShopWriter): Promise<ReturnType<ShopWriter["take"]>> {
    writer.take();
    await setTimeout(aloneMs, undefined, { signal: this.#parts.signal });
    return writer.take();
  }
}

function sizeOf(facts: TreeFacts): number {
  return [...facts.values()].reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
}

function leftOutLines({ leftOut }: Choice): string[] {
  return leftOut === 0 ? [] : [`(left out: ${formatCount(leftOut, "entry", "entries")} not readable, or special)`];
}
