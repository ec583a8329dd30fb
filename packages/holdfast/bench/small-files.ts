// Makes up the home of many small files: projects with folders of 10 to 50 files each.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "./random.ts";
import { plainWords } from "./words.ts";

const smallestDirectory = 10;
const directoryRange = 41;
const directoriesPerProject = 30;
const suffixes = [".ts", ".py", ".md", ".json", ".txt", ".svg"];

/** Writes `count` files of 50 bytes to 4 KiB below `directory`. */
export function writeSmallFiles(directory: string, count: number, seed: number): void {
  const random = new Random(seed);
  for (let written = 0, folderNumber = 0; written < count; folderNumber++) {
    const project = `project-${String(Math.floor(folderNumber / directoriesPerProject)).padStart(4, "0")}`;
    const folder = join(directory, project, random.pick(plainWords), `${random.pick(plainWords)}-${folderNumber}`);
    mkdirSync(folder, { recursive: true });
    const here = Math.min(count - written, smallestDirectory + random.below(directoryRange));
    for (let number = 0; number < here; number++) {
      const name = `${random.pick(plainWords)}-${random.pick(plainWords)}-${number}${random.pick(suffixes)}`;
      writeFileSync(join(folder, name), content(random));
    }
    written += here;
  }
}

/** Mostly short: the square of an even distribution. */
function content(random: Random): string {
  const longest = 50 + Math.floor((random.below(64) / 64) ** 2 * 4000);
  let text = "";
  while (text.length < longest) text += `${random.pick(plainWords)} ${random.next().toString(36)}\n`;
  return text;
}
