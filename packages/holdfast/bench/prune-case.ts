// A prune beside restic's: parts of many packs are no longer needed.
import { cpSync, rmSync } from "node:fs";
import { measure, run, settle } from "./measure.ts";
import { type Row, sizeRow, usualRows } from "./results.ts";
import { commandOf, type ToolName } from "./tools.ts";
import { toolNames, treeBytes, type Workshop } from "./workshop.ts";

/** Every second photo, one of the databases, some kinds of the machine's files. */
const leftOut = ["*[02468].jpg", "mail.db", "*.[a-e]*", "*.h"];

/** Each run is of the same state, copied back, with the cache that the backups left. */
export async function prune(workshop: Workshop): Promise<Row[]> {
  const path = workshop.dataSets.mixed(1);
  const backups = await workshop.freshBackups("prune", [path], undefined, 1);
  const { places } = backups;
  for (const name of toolNames) {
    const [tool, place] = [workshop.tools[name], places[name]];
    const excludes = leftOut.flatMap((pattern) => ["--exclude", pattern]);
    run(commandOf(tool, place, ["backup", "--force", ...excludes, path]));
    run(commandOf(tool, place, ["forget", "--keep-last", "1"]));
    cpSync(place.directory, savedOf(place.directory), { recursive: true });
  }
  const bytes: Record<ToolName, number> = { holdfast: 0, restic: 0 };
  const comparison = await workshop.compare("prune", async (tool) => {
    const { directory } = places[tool.name];
    rmSync(directory, { recursive: true });
    cpSync(savedOf(directory), directory, { recursive: true });
    settle();
    const measured = await measure(commandOf(tool, places[tool.name], ["prune"]));
    bytes[tool.name] = treeBytes(directory);
    return measured;
  });
  run(commandOf(workshop.tools.restic, places.holdfast, ["check"]));
  const blobs = workshop.countBlobs(places.holdfast);
  for (const name of toolNames) rmSync(savedOf(places[name].directory), { recursive: true });
  workshop.removeRepositories(backups);
  return [...usualRows(comparison, { wall: 0.6 }, blobs), sizeRow(bytes.holdfast, bytes.restic, null)];
}

function savedOf(directory: string): string {
  return `${directory}.saved`;
}
