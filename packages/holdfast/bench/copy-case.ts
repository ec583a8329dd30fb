// A copy beside restic's: 1.5 GiB into an empty repository.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { measure, settle } from "./measure.ts";
import { type Row, sizeRow, usualRows } from "./results.ts";
import { commandOf, password, type ToolName } from "./tools.ts";
import { treeBytes, type Workshop } from "./workshop.ts";

/** Each tool copies from a repository that it filled itself. */
export async function copyMixed(workshop: Workshop): Promise<Row[]> {
  const sources = await workshop.mixedBackups();
  const passwordFile = join(workshop.directory, "password");
  writeFileSync(passwordFile, password);
  const bytes: Record<ToolName, number> = { holdfast: 0, restic: 0 };
  const comparison = await workshop.compare("copy", async (tool) => {
    const places = workshop.newRepositories("copy");
    const { directory } = sources.places[tool.name];
    const words = ["copy", "--from-repo", directory, "--from-password-file", passwordFile];
    settle();
    const measured = await measure(commandOf(tool, places[tool.name], words));
    bytes[tool.name] = treeBytes(places[tool.name].directory);
    workshop.removeRepositories({ places });
    return measured;
  });
  return [...usualRows(comparison, { wall: 0.6 }, sources.blobs), sizeRow(bytes.holdfast, bytes.restic, 1)];
}
