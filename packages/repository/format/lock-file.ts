// Lock files: who works on a repository, since when, and whether that may be believed.
//
// Source: restic's design document, "Locks", and its rules for stale locks. Encoded as in unpacked.ts.

import { goJsonValue } from "./go-json.ts";
import { createTimeFormatter, parseTime } from "./go-time.ts";
import { JsonDocument } from "./json-document.ts";

export interface LockFile {
  /** Nanoseconds since the epoch: when the lock was made or last refreshed. */
  readonly time: bigint;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A lock that was not refreshed for so long belongs to nobody, wherever it was made. */
export const staleLockAgeMs = 30 * 60 * 1000;

export function encodeLockFile(lock: LockFile): Buffer {
  const { exclusive, hostname, username, pid, uid, gid } = lock;
  const json = goJsonValue({
    time: createTimeFormatter()(lock.time),
    exclusive,
    hostname,
    username,
    pid,
    uid: uid === 0 ? undefined : uid,
    gid: gid === 0 ? undefined : gid,
  });
  return Buffer.from(json);
}

/** Throws `damaged` for wrong types. */
export function decodeLockFile(json: Uint8Array): LockFile {
  const document = JsonDocument.parse(json, "lock file");
  return {
    time: parseTime(document.string("time")),
    exclusive: document.boolean("exclusive"),
    hostname: document.string("hostname"),
    username: document.string("username"),
    pid: document.integer("pid"),
    uid: document.has("uid") ? document.integer("uid") : 0,
    gid: document.has("gid") ? document.integer("gid") : 0,
  };
}

/**
 * True when a lock may be removed by others: too old, or made on this very host by a process that is gone.
 * `isProcessAlive` is asked only for locks of this host. A lock of another host is believed while it is
 * young. `now` in nanoseconds since the epoch.
 */
export function isStaleLock(
  lock: LockFile,
  here: { now: bigint; hostname: string; isProcessAlive: (pid: number) => boolean },
): boolean {
  if (here.now - lock.time > BigInt(staleLockAgeMs) * 1_000_000n) {
    return true;
  }
  return lock.hostname === here.hostname && !here.isProcessAlive(lock.pid);
}

/** True when `other` forbids taking a lock: exclusive locks and any other lock exclude each other. */
export function locksConflict(wanted: { exclusive: boolean }, other: { exclusive: boolean }): boolean {
  return wanted.exclusive || other.exclusive;
}
