// Looks for secrets where none may stand in plain text.

import { readdirSync, readFileSync } from "node:fs";
import { displayPath } from "@holdfast/repository";
import { bytesOf, type RawPath } from "../filesystem/raw-path.ts";
import { nextTurn } from "../filesystem/turn.ts";

/** Where the first is found: a file below `folders`, or "the output"; null when there is none. */
export async function findSecrets(
  secrets: readonly string[],
  folders: readonly RawPath[],
  output: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (secrets.some((secret) => output.includes(secret))) return "the output";
  for (const folder of folders) {
    for (const entry of readdirSync(bytesOf(folder), { encoding: "latin1", withFileTypes: true })) {
      await nextTurn(signal);
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        const found = await findSecrets(secrets, [path], "", signal);
        if (found !== null) return found;
      } else if (entry.isFile() && secrets.some((secret) => readFileSync(bytesOf(path)).includes(secret))) {
        return displayPath(bytesOf(path));
      }
    }
  }
  return null;
}
