// Gives restored entries their owner, attributes, mode and times.
import { geteuid } from "node:process";
import { hasCode, HoldfastError } from "../errors.ts";
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { OpenEntry } from "../filesystem/open-entry.ts";
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

/** Of an open file or directory. Everything is tried, whatever fails. */
export function setMetadata(entry: OpenEntry, metadata: Metadata): MetadataResult {
  return apply(metadata, {
    owner: () => entry.setOwner(metadata.uid, metadata.gid),
    xattrs: () => entry.setXattrs(metadata.xattrs),
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
  readonly owner: () => void;
  readonly xattrs: () => void;
  readonly mode: (mode: number) => void;
  readonly times: () => void;
}

function apply(metadata: Metadata, set: Setters): MetadataResult {
  const errors: HoldfastError[] = [];
  const attempt = (call: () => void): HoldfastError | null => {
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
