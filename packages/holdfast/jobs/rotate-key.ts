// A new master key for everything in a repository: it is copied into a new one, at another place, and read back there.
import {
  check,
  copy,
  hasCode,
  HoldfastError,
  Repository,
  type CheckEvent,
  type CheckReport,
  type CopyEvent,
  type OpenOptions,
} from "@holdfast/repository";
import { Session } from "../access/session.ts";

export interface RotateParts {
  readonly signal: AbortSignal;
  readonly retryForMs: number;
  readonly warn: (message: string) => void;
  readonly onCopy: (event: CopyEvent) => void;
  readonly onCheck: (event: CheckEvent) => void;
}

export interface Rotation {
  readonly repositoryId: string;
  readonly location: string;
  /** False when an earlier run had made the new repository. */
  readonly created: boolean;
  readonly copied: number;
  readonly present: number;
  readonly blobs: number;
  readonly storedBytes: number;
  /** Of the new repository, every byte of which was read back. */
  readonly checked: CheckReport;
}

/**
 * Copies all snapshots of `from` into the repository that `to` describes, which is made with a master key of its own
 * if it is not there, and then checks every byte of that. The old repository is not touched. Interrupted, it goes on
 * where it stopped. Throws `usage` when the new repository has the master key of the old one, `damaged` when a snapshot
 * could not be copied, or the new repository is not whole.
 */
export async function rotateKey(from: Session, to: OpenOptions, parts: RotateParts): Promise<Rotation> {
  const { repository, created } = await openOrMake(from.repository, to);
  await using target = await Session.lock(repository, { exclusive: true, ...parts });
  const totals = { copied: 0, present: 0, blobs: 0, storedBytes: 0 };
  // Until nothing new is found: others may go on storing snapshots in the old repository.
  for (let isComplete = false; !isComplete;) {
    const report = await copyAll(from, target, parts);
    isComplete = report.copied === 0;
    totals.copied += report.copied;
    totals.present = report.present;
    totals.blobs += report.blobs;
    totals.storedBytes += report.storedBytes;
  }
  const checked = await check(repository, { readData: true, signal: target.signal }, parts.onCheck);
  if (checked.verdict === "damaged") {
    throw new HoldfastError("damaged", `the new repository at ${repository.storage.location} is damaged`, {
      hint: created
        ? "keep the old one; check the disk or the server, remove the new one, and run the command again"
        : "keep the old one; do not remove the new one, it may hold backups that the old one lacks: repair it, or rotate to a third place",
    });
  }
  return { repositoryId: repository.id, location: repository.storage.location, created, ...totals, checked };
}

async function copyAll(
  from: Session,
  target: Session,
  { onCopy }: RotateParts,
): Promise<{ copied: number; present: number; blobs: number; storedBytes: number }> {
  from.repository.forgetIndex();
  const { snapshots, damaged } = await from.repository.loadSnapshots();
  const mayWrite = Promise.all([from.mayWrite, target.mayWrite]).then(() => undefined);
  mayWrite.catch(() => undefined);
  const signal = AbortSignal.any([from.signal, target.signal]);
  const report = await copy(from.repository, target.repository, { snapshots, mayWrite, signal }, onCopy);
  const lost = report.failed + damaged.length;
  if (lost === 0) return report;
  throw new HoldfastError("damaged", `${lost} of the snapshots cannot be copied: the old repository is damaged`, {
    hint: "run `holdfast repo check --read-data` on it; forget what cannot be saved, then run the command again",
  });
}

/** The cache is left out: what is checked is to come from the storage. */
async function openOrMake(old: Repository, to: OpenOptions): Promise<{ repository: Repository; created: boolean }> {
  const options = { ...to, cacheDirectory: undefined };
  const repository = await openIfThere(options);
  if (repository) {
    if (hasAnotherKey(old, repository)) return { repository, created: false };
    await repository[Symbol.asyncDispose]();
    throw new HoldfastError("usage", `${to.storage.location} has the same master key: it is the same repository`, {
      hint: "name another place, where there is nothing yet",
    });
  }
  // It cuts files as the old one does: otherwise the next backup would store every file once more.
  const polynomial = old.config.chunkerPolynomial;
  return { repository: await Repository.create({ ...options, version: 2, polynomial }), created: true };
}

async function openIfThere(options: OpenOptions): Promise<Repository | null> {
  try {
    return await Repository.open(options);
  } catch (error) {
    if (!hasCode(error, "repository-missing")) throw error;
    return null;
  }
}

function hasAnotherKey(old: Repository, next: Repository): boolean {
  return old.id !== next.id && !old.masterKey.encrypt.equals(next.masterKey.encrypt);
}
