// Snapshots: one recovery point, naming its tree, where it came from, and what making it took.
//
// Source: restic's design document, "Snapshots", and the fields that restic 0.17 and later add. Encoded as in
// unpacked.ts. Fields that a later program added are kept and written back, behind the known ones.

import { goJsonValue } from "./go-json.ts";
import { parseTime } from "./go-time.ts";
import { JsonDocument, type JsonObject } from "./json-document.ts";

/** What making the snapshot took; counts and bytes. */
export interface SnapshotSummary {
  /** RFC 3339, as `Snapshot.time`. */
  readonly backupStart: string;
  readonly backupEnd: string;
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
  readonly dirsNew: number;
  readonly dirsChanged: number;
  readonly dirsUnmodified: number;
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  readonly dataAdded: number;
  readonly dataAddedPacked: number;
  readonly totalFilesProcessed: number;
  readonly totalBytesProcessed: number;
  readonly unknownFields: JsonObject;
}

export interface Snapshot {
  /** RFC 3339 with the offset of the host that made it, which rewriting keeps; `parseTime` gives the instant. */
  readonly time: string;
  readonly parent: string | null;
  readonly tree: string;
  readonly paths: readonly string[];
  /** Empty texts, zeros and empty lists are left out of the file. */
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly excludes: readonly string[];
  readonly tags: readonly string[];
  /** The id of the first form of this snapshot, when tags or such were changed later. */
  readonly original: string | null;
  readonly programVersion: string;
  readonly summary: SnapshotSummary | null;
  readonly unknownFields: JsonObject;
}

/** The counts of a summary in the order of the file, each with its name there. */
const summaryCounts = [
  ["filesNew", "files_new"],
  ["filesChanged", "files_changed"],
  ["filesUnmodified", "files_unmodified"],
  ["dirsNew", "dirs_new"],
  ["dirsChanged", "dirs_changed"],
  ["dirsUnmodified", "dirs_unmodified"],
  ["dataBlobs", "data_blobs"],
  ["treeBlobs", "tree_blobs"],
  ["dataAdded", "data_added"],
  ["dataAddedPacked", "data_added_packed"],
  ["totalFilesProcessed", "total_files_processed"],
  ["totalBytesProcessed", "total_bytes_processed"],
] as const;
type SummaryCount = (typeof summaryCounts)[number][0];

const summaryFields: ReadonlySet<string> = new Set([
  "backup_start",
  "backup_end",
  ...summaryCounts.map(([, field]) => field),
]);
const snapshotFields: ReadonlySet<string> = new Set([
  "time",
  "parent",
  "tree",
  "paths",
  "hostname",
  "username",
  "uid",
  "gid",
  "excludes",
  "tags",
  "original",
  "program_version",
  "summary",
]);

function encodeSummary(summary: SnapshotSummary): JsonObject {
  const counts = summaryCounts.map(([name, field]) => [field, summary[name]] as const);
  const times = { backup_start: summary.backupStart, backup_end: summary.backupEnd };
  return { ...times, ...Object.fromEntries(counts), ...summary.unknownFields };
}

/** The JSON of a snapshot, fields in restic's order, no newline. */
export function encodeSnapshot(snapshot: Snapshot): Buffer {
  const json = goJsonValue({
    time: snapshot.time,
    parent: snapshot.parent ?? undefined,
    tree: snapshot.tree,
    paths: snapshot.paths,
    hostname: snapshot.hostname || undefined,
    username: snapshot.username || undefined,
    uid: snapshot.uid || undefined,
    gid: snapshot.gid || undefined,
    excludes: snapshot.excludes.length === 0 ? undefined : snapshot.excludes,
    tags: snapshot.tags.length === 0 ? undefined : snapshot.tags,
    original: snapshot.original ?? undefined,
    program_version: snapshot.programVersion || undefined,
    summary: snapshot.summary === null ? undefined : encodeSummary(snapshot.summary),
    ...snapshot.unknownFields,
  });
  return Buffer.from(json);
}

function unknownFieldsOf(document: JsonDocument, known: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(document.fields).filter(([name]) => !known.has(name)));
}

function readTime(document: JsonDocument, field: string): string {
  const text = document.string(field);
  parseTime(text);
  return text;
}

function decodeSummary(document: JsonDocument): SnapshotSummary {
  const counts = summaryCounts.map(
    ([name, field]) => [name, document.has(field) ? document.integer(field) : 0] as const,
  );
  return {
    backupStart: readTime(document, "backup_start"),
    backupEnd: readTime(document, "backup_end"),
    ...(Object.fromEntries(counts) as Record<SummaryCount, number>),
    unknownFields: unknownFieldsOf(document, summaryFields),
  };
}

/** Throws `damaged` for wrong types. */
export function decodeSnapshot(json: Uint8Array): Snapshot {
  const document = JsonDocument.parse(json, "snapshot");
  const optional = <Value>(field: string, read: (field: string) => Value, otherwise: Value): Value =>
    document.has(field) ? read(field) : otherwise;
  const id = (field: string): string | null => document.id(field);
  const text = (field: string): string => document.string(field);
  const list = (field: string): string[] => document.strings(field);
  const number = (field: string): number => document.integer(field);
  return {
    time: readTime(document, "time"),
    parent: optional("parent", id, null),
    tree: document.id("tree"),
    paths: optional("paths", list, []),
    hostname: optional("hostname", text, ""),
    username: optional("username", text, ""),
    uid: optional("uid", number, 0),
    gid: optional("gid", number, 0),
    excludes: optional("excludes", list, []),
    tags: optional("tags", list, []),
    original: optional("original", id, null),
    programVersion: optional("program_version", text, ""),
    summary: document.has("summary") ? decodeSummary(document.object("summary")) : null,
    unknownFields: unknownFieldsOf(document, snapshotFields),
  };
}
