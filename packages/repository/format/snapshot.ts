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

const nothing: JsonObject = Object.freeze({});

function unknownFieldsOf(document: JsonDocument, known: ReadonlySet<string>): JsonObject {
  let unknown: Record<string, unknown> | null = null;
  for (const name of Object.keys(document.fields)) if (!known.has(name)) (unknown ??= {})[name] = document.fields[name];
  return unknown ?? nothing;
}

function readTime(document: JsonDocument, field: string): string {
  const text = document.string(field);
  parseTime(text);
  return text;
}

function decodeSummary(document: JsonDocument): SnapshotSummary {
  const count = (field: string): number => (document.has(field) ? document.integer(field) : 0);
  return {
    backupStart: readTime(document, "backup_start"),
    backupEnd: readTime(document, "backup_end"),
    filesNew: count("files_new"),
    filesChanged: count("files_changed"),
    filesUnmodified: count("files_unmodified"),
    dirsNew: count("dirs_new"),
    dirsChanged: count("dirs_changed"),
    dirsUnmodified: count("dirs_unmodified"),
    dataBlobs: count("data_blobs"),
    treeBlobs: count("tree_blobs"),
    dataAdded: count("data_added"),
    dataAddedPacked: count("data_added_packed"),
    totalFilesProcessed: count("total_files_processed"),
    totalBytesProcessed: count("total_bytes_processed"),
    unknownFields: unknownFieldsOf(document, summaryFields),
  };
}

/**
 * Gives equal texts and lists the same memory: a repository has many snapshots, and few hosts, sets of paths and tags.
 */
export class SharedTexts {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
  }

  list(texts: readonly string[]): readonly string[] {
    const key = texts.join("\0");
    const known = this.#lists.get(key);
    // A text may hold the character that stands between two of them.
    if (known?.length === texts.length && known.every((text, index) => text === texts[index])) return known;
    this.#lists.set(key, texts);
    return texts;
  }
}

/** Throws `damaged` for wrong types. What the snapshot has in common with others takes no memory with `shared`. */
export function decodeSnapshot(json: Uint8Array, shared = new SharedTexts()): Snapshot {
  const document = JsonDocument.parse(json, "snapshot");
  const id = (field: string): string | null => (document.has(field) ? document.id(field) : null);
  const text = (field: string): string => (document.has(field) ? shared.text(document.string(field)) : "");
  const list = (field: string): readonly string[] => shared.list(document.has(field) ? document.strings(field) : []);
  const number = (field: string): number => (document.has(field) ? document.integer(field) : 0);
  return {
    time: readTime(document, "time"),
    parent: id("parent"),
    tree: document.id("tree"),
    paths: list("paths"),
    hostname: text("hostname"),
    username: text("username"),
    uid: number("uid"),
    gid: number("gid"),
    excludes: list("excludes"),
    tags: list("tags"),
    original: id("original"),
    programVersion: text("program_version"),
    summary: document.has("summary") ? decodeSummary(document.object("summary")) : null,
    unknownFields: unknownFieldsOf(document, snapshotFields),
  };
}
