// Gives restored entries their owner, attributes, mode and times.
import { geteuid } from "node:process";
import { hasCode, HoldfastError } from "../errors.ts";
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { OpenEntry, RestoreTools } from "../filesystem/open-entry.ts";
import { permissionsOfGoMode } from "../format/file-mode.ts";
import type { ExtendedAttribute, TreeNode } from "../format/node.ts";

/** The metadata of a node that a file system can hold. */
export interface Metadata {
  readonly uid: number;
  readonly gid: number;
  /** The twelve permission bits. */
  readonly mode: number;
  /** Nanoseconds since the epoch. */
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly xattrs: readonly ExtendedAttribute[];
}

export interface MetadataResult {
  readonly errors: readonly HoldfastError[];
  /** Only root may give files away: as in restic that is no error. */
  readonly ownerRefused: boolean;
}

const setIdBits = 0o6000;
const isRoot = geteuid?.() === 0;

export function metadataOf(node: TreeNode): Metadata {
  const { uid, gid, xattrs } = node;
  return { uid, gid, mode: permissionsOfGoMode(node.mode), atimeNs: node.atime, mtimeNs: node.mtime, xattrs };
}

/** What a file has when it is made: the same for all files that one process makes in one directory. */
export interface InitialMetadata {
  readonly uid: number;
  readonly gid: number;
  /** Default access control lists and security modules give some. */
  readonly hasXattrs: boolean;
}

/** Of a file that was just made; null when it cannot be told. */
export function initialMetadata(entry: OpenEntry, tools: RestoreTools): InitialMetadata | null {
  try {
    const { uid, gid } = entry.ownStatus();
    return { uid, gid, hasXattrs: tools.xattrs.has(entry.fd) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return null;
  }
}

/**
 * Of an open file or directory. Everything is tried, whatever fails. What a new file has already, by `initial`, is
 * not set again: with many small files that is a good part of all system calls.
 */
export function setMetadata(
  entry: OpenEntry,
  metadata: Metadata,
  initial: InitialMetadata | null = null,
): MetadataResult {
  const hasOwner = initial !== null && initial.uid === metadata.uid && initial.gid === metadata.gid;
  const hasXattrs = initial !== null && !initial.hasXattrs && metadata.xattrs.length === 0;
  return apply(metadata, {
    owner: () => hasOwner || entry.setOwner(metadata.uid, metadata.gid),
    xattrs: () => hasXattrs || entry.setXattrs(metadata.xattrs),
    mode: (mode) => entry.setMode(mode),
    times: () => entry.setTimes(metadata.atimeNs, metadata.mtimeNs),
  });
}

/** Of a link, pipe or device called `name`; a link has no mode of its own. */
export function setMetadataOf(
  directory: DirectoryHandle,
  name: Buffer,
  metadata: Metadata,
  isLink: boolean,
): MetadataResult {
  return apply(metadata, {
    owner: () => directory.setOwnerOf(name, metadata.uid, metadata.gid),
    xattrs: () => directory.setXattrsOf(name, metadata.xattrs),
    mode: (mode) => isLink || directory.setModeOf(name, mode),
    times: () => directory.setTimesOf(name, metadata.atimeNs, metadata.mtimeNs),
  });
}

interface Setters {
  readonly owner: () => unknown;
  readonly xattrs: () => unknown;
  readonly mode: (mode: number) => void;
  readonly times: () => void;
}

function apply(metadata: Metadata, set: Setters): MetadataResult {
  const errors: HoldfastError[] = [];
  const attempt = (call: () => unknown): HoldfastError | null => {
    try {
      call();
      return null;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return error;
    }
  };
  const ownerError = attempt(set.owner);
  const ownerRefused = ownerError !== null && !isRoot && hasCode(ownerError, "permission");
  if (ownerError && !ownerRefused) errors.push(ownerError);
  // Under another owner these bits would lend that owner's rights instead.
  const mode = ownerError ? metadata.mode & ~setIdBits : metadata.mode;
  for (const call of [set.xattrs, () => set.mode(mode), set.times]) {
    const error = attempt(call);
    if (error) errors.push(error);
  }
  return { errors, ownerRefused };
}
