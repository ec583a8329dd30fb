// Compares what Holdfast and restic say of the same snapshots: listings, differences, archives.
import assert from "node:assert/strict";
import { expectStatus, jsonLines, run } from "./programs.ts";
import type { Outcome } from "./programs.ts";
import type { Workplace } from "./workplace.ts";

/** Every field of every entry that both programs list must be equal. */
export function assertSameListing(place: Workplace, snapshot: string): void {
  const ours = listing(place.done("ls", "--json", snapshot));
  const theirs = listing(place.resticDone("ls", "--json", snapshot));
  assert.deepEqual([...ours.keys()].toSorted(), [...theirs.keys()].toSorted());
  for (const [name, node] of theirs) assert.deepEqual(ours.get(name), node);
}

function listing(outcome: Outcome): Map<string, Record<string, unknown>> {
  const nodes = jsonLines(outcome.stdout).filter((line) => line["struct_type"] === "node");
  return new Map(
    nodes.map((node) => {
      // Names that are not UTF-8 look alike in JSON; the inode tells them apart.
      // restic leaves a mode of 0 out.
      return [`${String(node["path"])} ${String(node["inode"])}`, { mode: 0, ...node, path_base64: undefined }];
    }),
  );
}

/** The changes and the counts must be equal. Returns the paths that changed. */
export function assertSameDifference(place: Workplace, left: string, right: string): string[] {
  const [ours, theirs] = [place.done("diff", "--json", left, right), place.resticDone("diff", "--json", left, right)];
  const changes = (outcome: Outcome): string[] =>
    jsonLines(outcome.stdout)
      .filter((line) => line["message_type"] === "change")
      .map((line) => `${String(line["modifier"])} ${String(line["path"])}`)
      .toSorted();
  assert.deepEqual(changes(ours), changes(theirs));
  const counts = (outcome: Outcome): unknown => {
    const found = jsonLines(outcome.stdout).find((line) => line["message_type"] === "statistics");
    const { changed_files, added, removed } = found ?? {};
    return { changed_files, added, removed };
  };
  assert.deepEqual(counts(ours), counts(theirs));
  return changes(ours);
}

/** A file must be dumped byte for byte alike; a folder must give archives with the same entries. */
export function assertSameDump(place: Workplace, snapshot: string, file: string, folder: string): void {
  const dumped = (name: string): Buffer[] => [
    place.done("dump", snapshot, name).stdout,
    place.resticDone("dump", snapshot, name).stdout,
  ];
  const [ourFile, theirFile] = dumped(file);
  assert.ok(ourFile && theirFile && ourFile.length > 0 && ourFile.equals(theirFile), `${file} is dumped alike`);
  const prefix = `${folder.slice(1)}/`;
  const [ourArchive, theirArchive] = dumped(folder).map((archive) => archiveListing(archive, prefix));
  assert.ok(ourArchive && ourArchive.length > 5);
  assert.deepEqual(ourArchive, theirArchive);
}

/**
 * What `tar` itself lists of an archive, sorted: modes, owners, sizes, names without `prefix`. No times: restic
 * rounds them to seconds.
 */
export function archiveListing(archive: Buffer, prefix = ""): string[] {
  const outcome = expectStatus(
    run("tar", ["--list", "--verbose", "--numeric-owner", "--file=-"], { input: archive }),
    0,
  );
  return outcome.stdout
    .toString("latin1")
    .trim()
    .split("\n")
    .map((line) => line.replace(/ \d{4}-\d\d-\d\d \d\d:\d\d /, " ").replace(` ${prefix}`, " "))
    .toSorted();
}
