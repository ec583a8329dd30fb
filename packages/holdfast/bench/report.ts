// Puts results into a table, and the table into this folder's README.md.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cases } from "./cases.ts";
import type { Provenance } from "./provenance.ts";
import { isMet, ratioOf, type Row, type Spread, type Unit } from "./results.ts";

export interface CaseResult {
  readonly rows: readonly Row[];
  readonly provenance: Provenance;
}

/** By name of the case. */
export type Results = Record<string, CaseResult>;

const resultsFile = new URL("results.json", import.meta.url);
const readmeFile = new URL("README.md", import.meta.url);
const begin = "<!-- results: begin (written by npm run bench -- --write) -->";
const end = "<!-- results: end -->";

/** A table in Markdown, and below it when and on what its cases were measured. */
export function render(results: Results): string {
  const lines = ["| case | measure | Holdfast | restic | ratio | bar | met |", "|--|--|--|--|--|--|--|"];
  for (const { name, title } of cases) {
    let label = `**${name}**: ${title}`;
    for (const row of results[name]?.rows ?? []) {
      lines.push(renderRow(label, row));
      label = "";
    }
  }
  return [...lines, "", ...renderProvenance(results)].join("\n");
}

/** Takes new results over into those that are kept, and writes the table of all of them. */
export function writeResults(results: Results): void {
  const earlier = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, "utf8")) as Results) : {};
  const all = { ...earlier, ...results };
  writeFileSync(resultsFile, `${JSON.stringify(all, null, 2)}\n`);
  const readme = readFileSync(readmeFile, "utf8");
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error("README.md lacks the lines that the table goes between");
  writeFileSync(readmeFile, `${readme.slice(0, from + begin.length)}\n${render(all)}\n${readme.slice(to)}`);
}

function renderRow(label: string, row: Row): string {
  const ratio = ratioOf(row);
  const cells = [
    label,
    row.measure,
    renderSpread(row.holdfast, row.unit),
    row.restic === null ? "" : renderSpread(row.restic, row.unit),
    ratio === null ? "" : ratio.toFixed(2),
    row.bar === null
      ? ""
      : `≤ ${row.bar.kind === "ratio" ? `${row.bar.limit}×` : renderNumber(row.bar.limit, row.unit)}`,
    renderMet(row, ratio),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** A missed bar says by how much. */
function renderMet(row: Row, ratio: number | null): string {
  const met = isMet(row);
  if (met === null || row.bar === null) return "";
  if (met) return "yes";
  const value = row.bar.kind === "ratio" ? (ratio ?? Number.NaN) : row.holdfast.most;
  return `**no**, by ${Math.round((value / row.bar.limit - 1) * 100)} %`;
}

function renderSpread({ median, least, most }: Spread, unit: Unit): string {
  const range = least === most ? "" : ` (${withDigits(least, unit)}–${withDigits(most, unit)})`;
  return renderNumber(median, unit) + range;
}

function renderNumber(value: number, unit: Unit): string {
  return `${withDigits(value, unit)} ${unit}`;
}

function withDigits(value: number, unit: Unit): string {
  return value.toFixed(unit === "MiB" ? 0 : 2);
}

/** Cases that were measured under the same circumstances share a line. */
function renderProvenance(results: Results): string[] {
  const casesOf = new Map<string, string[]>();
  for (const { name } of cases) {
    const provenance = results[name]?.provenance;
    if (provenance === undefined) continue;
    const { date, commit, machine, versions, runs } = provenance;
    const line = `${date}, commit ${commit}, ${runs} ${runs === 1 ? "run" : "runs"} of each; ${machine}; ${versions}.`;
    casesOf.set(line, [...(casesOf.get(line) ?? []), name]);
  }
  return [...casesOf].map(([line, names]) => `- ${names.join(", ")}: ${line}`);
}
