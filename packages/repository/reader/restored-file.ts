// One file of a restore on its way: what it consists of, and how far it has come.
import type { HoldfastError } from "../errors.ts";
import type { OpenEntry } from "../filesystem/open-entry.ts";
import { joinPath } from "../filesystem/path.ts";
import type { BlobLocation } from "../index/blob-index.ts";
import type { LinkGroup } from "./hard-links.ts";
import type { RestoreDirectory } from "./restore-directory.ts";
import type { Metadata } from "./restore-metadata.ts";

/** The plain lengths of a file's blobs. */
export type BlobLengths = Uint32Array | number[];

export interface FileFacts {
  readonly directory: RestoreDirectory;
  /** A byte string. */
  readonly name: string;
  readonly metadata: Metadata;
  /** Of the blobs: 32 bytes each where they are many, and else as the tree has them. */
  readonly ids: Buffer | readonly string[];
  readonly lengths: BlobLengths;
  /** Where the blobs lie, when they are few. */
  readonly places: readonly BlobLocation[] | null;
  readonly sizeBytes: number;
  /** Something that may be replaced stands in its place. */
  readonly replaces: boolean;
  /** What stands there has the right size: it is compared first. */
  readonly compares: boolean;
  /** Null if it has one name only. */
  readonly links: LinkGroup | null;
}

export class RestoredFile {
  readonly directory: RestoreDirectory;
  /** A byte string. */
  readonly name: string;
  readonly metadata: Metadata;
  readonly ids: Buffer | readonly string[];
  readonly lengths: BlobLengths;
  readonly places: readonly BlobLocation[] | null;
  readonly sizeBytes: number;
  readonly replaces: boolean;
  readonly compares: boolean;
  readonly links: LinkGroup | null;
  /** A file of several blobs is written under a temporary name, through this descriptor. */
  open: { readonly entry: OpenEntry; readonly name: Buffer } | null = null;
  blobsLeft: number;
  failure: HoldfastError | null = null;
  /** Finished in one way or another: nothing more is to be done about it. */
  isSettled = false;

  constructor(facts: FileFacts) {
    this.directory = facts.directory;
    this.name = facts.name;
    this.metadata = facts.metadata;
    this.ids = facts.ids;
    this.lengths = facts.lengths;
    this.places = facts.places;
    this.sizeBytes = facts.sizeBytes;
    this.replaces = facts.replaces;
    this.compares = facts.compares;
    this.links = facts.links;
    this.blobsLeft = facts.lengths.length;
  }

  /** In the snapshot. */
  get path(): Buffer {
    return joinPath(this.directory.path, this.name);
  }

  get hasParts(): boolean {
    return this.lengths.length > 1;
  }

  blobId(blob: number): string {
    return Buffer.isBuffer(this.ids) ? this.ids.toString("hex", blob * 32, (blob + 1) * 32) : this.ids[blob]!;
  }

  /** 32 bytes for each of the blobs from `first` on, before `end`. */
  idBytes(first: number, end: number): Uint8Array {
    const { ids } = this;
    // A copy of their own: a view of Buffer's pool would take the whole pool to a worker.
    return new Uint8Array(
      Buffer.isBuffer(ids) ? ids.subarray(first * 32, end * 32) : Buffer.from(ids.slice(first, end).join(""), "hex"),
    );
  }
}
