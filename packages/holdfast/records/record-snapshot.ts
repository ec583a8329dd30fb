// The rolling record snapshot of a stack: its record lives in the repository, for every host that opens it.
//
// Each change stores the merged record as a new snapshot and then removes those that it was merged from. Two hosts
// may do so at once: then both of theirs stay, and whoever reads merges them. Where nothing may be removed they all
// stay, and the union is the same.
import type { Repository, StoredSnapshot } from "@holdfast/repository";
import { backup, dump, hasCode, HoldfastError } from "@holdfast/repository";
import type { StackRecord } from "./stack-record.ts";
import { encodeRecord, mergeRecords, parseRecord } from "./stack-record.ts";
import { recordOf, recordTags } from "./tags.ts";

const fileName = "/record.json";

export interface LoadedRecord {
  /** With tombstones. */
  readonly record: StackRecord;
  /** The snapshots that it was merged from. */
  readonly snapshotIds: readonly string[];
  /**
   * Records that could not be read, and damaged snapshots, which might be some. With any of them the record may be
   * missing pins and holds: nothing must be removed on its strength.
   */
  readonly problems: readonly HoldfastError[];
}

export interface RecordWriter {
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly programVersion: string;
  /** `settled` of the shared lock that the caller holds. */
  readonly mayWrite: Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

export interface SavedRecord extends LoadedRecord {
  /** Of the new one; null when it holds nothing new. */
  readonly snapshotId: string | null;
}

/** Merges all record snapshots of the stack; none is an empty record. */
export async function loadRecord(repository: Repository, stack: string): Promise<LoadedRecord> {
  const { snapshots, damaged } = await repository.loadSnapshots();
  const problems: HoldfastError[] = damaged.map(({ error }) => error);
  const records: StackRecord[] = [];
  const snapshotIds: string[] = [];
  for (const snapshot of snapshots) {
    if (recordOf(snapshot) !== stack) continue;
    try {
      records.push(await readRecordAnew(repository, snapshot, stack));
      snapshotIds.push(snapshot.id);
    } catch (error) {
      if (!isProblemOfOne(error)) throw error;
      problems.push(
        new HoldfastError(error.code, `the record ${snapshot.id.slice(0, 8)} of the stack ${stack}: ${error.message}`, {
          hint: error.hint,
          context: { snapshot: snapshot.id },
          cause: error,
        }),
      );
    }
  }
  return { record: mergeRecords(records), snapshotIds, problems };
}

/**
 * Adds to the record of the stack: new entries, or entries with `removedAt` set to take them away. What cannot be
 * read is left where it is.
 */
export async function saveRecord(
  repository: Repository,
  stack: string,
  additions: StackRecord,
  writer: RecordWriter,
): Promise<SavedRecord> {
  const loaded = await loadRecord(repository, stack);
  const record = mergeRecords([loaded.record, additions]);
  const bytes = encodeRecord(stack, record);
  const isKnown = bytes.equals(encodeRecord(stack, loaded.record));
  if (isKnown && loaded.snapshotIds.length <= 1) return { ...loaded, snapshotId: null };
  const snapshotId = await storeRecord(repository, stack, bytes, writer);
  const kept: string[] = [];
  for (const id of loaded.snapshotIds) {
    if (id !== snapshotId && !(await removeSuperseded(repository, id))) kept.push(id);
  }
  return { record, problems: loaded.problems, snapshotId, snapshotIds: [snapshotId, ...kept] };
}

/** One that another host stored lately is not in an index that was read before. */
async function readRecordAnew(repository: Repository, snapshot: StoredSnapshot, stack: string): Promise<StackRecord> {
  try {
    return await readRecord(repository, snapshot, stack);
  } catch (error) {
    if (!isProblemOfOne(error)) throw error;
    repository.forgetIndex();
    return readRecord(repository, snapshot, stack);
  }
}

async function readRecord(repository: Repository, snapshot: StoredSnapshot, stack: string): Promise<StackRecord> {
  const pieces: Buffer[] = [];
  await dump(repository, {
    snapshot,
    subfolder: Buffer.from("/"),
    path: Buffer.from(fileName),
    archive: "tar",
    mayWriteArchive: false,
    write: async (piece) => void pieces.push(piece),
  });
  const record = parseRecord(Buffer.concat(pieces));
  if (record.stack !== stack) throw new HoldfastError("damaged", `it is the record of the stack ${record.stack}`);
  return record;
}

/** What is wrong with one record, and not with the way to it. */
function isProblemOfOne(error: unknown): error is HoldfastError {
  return (["damaged", "unsupported", "not-found", "usage"] as const).some((code) => hasCode(error, code));
}

async function storeRecord(
  repository: Repository,
  stack: string,
  bytes: Buffer,
  { mayWrite, signal, ...facts }: RecordWriter,
): Promise<string> {
  const timeNs = BigInt(repository.now().getTime()) * 1_000_000n;
  let readBytes = 0;
  const summary = await backup(
    repository,
    {
      ...facts,
      entries: [
        {
          kind: "stream",
          at: Buffer.from(fileName),
          read: async (into) => {
            const copied = bytes.copy(into, 0, readBytes);
            readBytes += copied;
            return copied;
          },
          finish: async () => {},
          whenBroken: "fail",
          mode: 0o600,
          uid: facts.uid,
          gid: facts.gid,
          mtimeNs: timeNs,
          hint: { kind: "rabin" },
        },
      ],
      paths: [`/holdfast-record/${stack}`],
      tags: recordTags(stack),
      excludes: [],
      timeNs,
      parent: null,
      oneFileSystem: false,
      withAtime: false,
      dryRun: false,
      skipIfUnchanged: false,
      readBack: true,
      mayWrite,
      workers: 1,
      signal,
    },
    () => {},
  );
  if (summary.snapshotId === null) throw new HoldfastError("internal", "the record made no snapshot");
  return summary.snapshotId;
}

/** False when it had to stay: another program's right, or an append-only storage. It is merged again next time. */
async function removeSuperseded(repository: Repository, id: string): Promise<boolean> {
  try {
    await repository.storage.remove("snapshot", id);
    return true;
  } catch (error) {
    if (hasCode(error, "not-found")) return true;
    if (hasCode(error, "refused") || hasCode(error, "permission")) return false;
    throw error;
  }
}
