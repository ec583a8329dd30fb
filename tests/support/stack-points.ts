// Recovery points for tests of stacks: good ones, partial ones, and such as no honest program made.
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expectStatus, jsonLines, message, type Outcome } from "./programs.ts";
import { StackPlace } from "./stack-place.ts";

export type Json = Record<string, unknown>;

/** The smallest stack that has everything: a database, a folder with a folder in it, a file. */
export function smallPlace(name: string): StackPlace {
  const place = new StackPlace(name);
  place.application.make("first", 50);
  const below = path.join(place.application.uploads, "below");
  mkdirSync(below);
  writeFileSync(path.join(below, "deep"), "deep\n");
  place.prepare();
  return place;
}

/** A backup while the database is away: what is stored is partial, and the run has failed. Its id. */
export function partialPoint(place: StackPlace): string {
  const { database } = place.application;
  renameSync(database, `${database}.away`);
  const outcome = place.ends(1, "backup", "app", "--json");
  renameSync(`${database}.away`, database);
  return String(message(outcome, "summary")["snapshot_id"]);
}

/** A recovery point whose files were changed behind its manifest's back; its id. */
export function forgedPoint(place: StackPlace, id: string, change: (folder: string) => void): string {
  const folder = place.at("forged");
  place.done("restore", id, "--target", folder);
  change(folder);
  const tags = ["holdfast", "stack:app", "plan:daily"].flatMap((tag) => ["--tag", tag]);
  const words = ["backup", "--json", ...tags, "holdfast.json", ...Object.keys(place.sources)];
  const outcome = expectStatus(place.holdfast(words, { cwd: folder }), 0);
  rmSync(folder, { recursive: true });
  return String(message(outcome, "summary")["snapshot_id"]);
}

/** The objects of this type that a verb printed. */
export function linesOf(outcome: Outcome, type: string): Json[] {
  return jsonLines(outcome.stdout).filter((line) => line["message_type"] === type);
}
