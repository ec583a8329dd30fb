// Takes the steps of a walk: makes directories, links and devices, decides what happens to files, and finishes directories.
import { HoldfastError } from "../errors.ts";
import type { DirectoryHandle } from "../filesystem/create.ts";
import { displayPath } from "../filesystem/system-error.ts";
import type { FileStatus } from "../filesystem/status-area.ts";
import { byteString, bytesOf, joinPath } from "../filesystem/path.ts";
import { unixModeOfGoMode } from "../format/file-mode.ts";
import type { TreeNode } from "../format/node.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { PathChoice, PathSelection } from "../selection/path-rules.ts";
import type { ContentRestorer } from "./content-restorer.ts";
import {
  clearDirectory,
  isDirectory,
  isRegularFile,
  mayReplace,
  removeAll,
  unexpectedNames,
} from "./existing-entry.ts";
import { removeQuietly, temporaryName, writeWhole } from "./file-writer.ts";
import { HardLinks } from "./hard-links.ts";
import type { LinkGroup, LinkPlace } from "./hard-links.ts";
import { RestoreDirectory } from "./restore-directory.ts";
import { metadataOf, setMetadata, setMetadataOf } from "./restore-metadata.ts";
import { contentOf } from "./restore-plan.ts";
import type { RestoreReport } from "./restore-report.ts";
import type { RestoreRequest } from "./restore-request.ts";
import { RestoredFile } from "./restored-file.ts";
import type { WalkStep } from "./walk.ts";

const noName = Buffer.alloc(0);
const rootPath = Buffer.from("/");
const empty = Buffer.alloc(0);

export class EntryRestorer {
  readonly #index: BlobIndex;
  readonly #content: ContentRestorer;
  readonly #selection: PathSelection;
  readonly #report: RestoreReport;
  readonly #request: RestoreRequest;
  readonly #links = new HardLinks();
  readonly #root: RestoreDirectory;
  readonly #open = new Set<RestoreDirectory>();
  /** The directory that the walk is in. */
  #current: RestoreDirectory;

  /** `target` is closed with `close`; null where it does not exist, in a dry run. */
  constructor(
    target: DirectoryHandle | null,
    index: BlobIndex,
    content: ContentRestorer,
    selection: PathSelection,
    report: RestoreReport,
    request: RestoreRequest,
  ) {
    this.#index = index;
    this.#content = content;
    this.#selection = selection;
    this.#report = report;
    this.#request = request;
    this.#root = new RestoreDirectory(null, noName, rootPath, null, (each) => this.#finishDirectory(each));
    this.#root.handle = target;
    this.#open.add(this.#root);
    this.#current = this.#root;
  }

  /** Closes what a restore that ended early left open. */
  close(): void {
    for (const directory of this.#open) directory.handle?.close();
    this.#open.clear();
  }

  enters(path: Buffer): boolean {
    return this.#choose(path, true).enter;
  }

  /** Null when it is done; else the next step comes when the promise is fulfilled. */
  take(step: WalkStep): Promise<void> | null {
    switch (step.kind) {
      case "enter":
        this.#enter(step.path, step.node);
        return null;
      case "entry":
        return this.#entry(step.path, step.node);
      case "leave": {
        const left = this.#current;
        left.names = step.names;
        this.#current = left.parent ?? left;
        left.release();
        return null;
      }
    }
  }

  /** A file is complete, or will not be: its other names are linked. */
  fileSettled(file: RestoredFile): void {
    if (file.links) this.#settleLinks(file.links, !file.failure);
  }

  #choose(path: Buffer, isDirectory: boolean): PathChoice {
    return this.#selection.choose(path, isDirectory);
  }

  #enter(path: Buffer, node: TreeNode): void {
    const parent = this.#current;
    const directory = new RestoreDirectory(parent, Buffer.from(node.name), path, metadataOf(node), (each) =>
      this.#finishDirectory(each),
    );
    this.#current = directory;
    if (!this.#choose(path, true).selected) return;
    this.#report.found(0);
    this.#ensure(directory);
  }

  /** Opens a directory, making it and its parents where needed. False if that failed, which is reported once. */
  #ensure(directory: RestoreDirectory): boolean {
    const { parent, name, path } = directory;
    if (directory.handle || !parent || directory.hasFailed) return !directory.hasFailed;
    if (!this.#ensure(parent)) {
      directory.hasFailed = true;
      this.#report.missing();
      return false;
    }
    try {
      if (parent.handle) this.#openDirectory(directory, parent.handle, name);
      else directory.isFresh = true; // in a dry run
    } catch (error) {
      directory.hasFailed = true;
      this.#report.failed(path, error);
    }
    if (directory.handle) this.#open.add(directory);
    return !directory.hasFailed;
  }

  #openDirectory(directory: RestoreDirectory, parent: DirectoryHandle, name: Buffer): void {
    const { dryRun, overwrite } = this.#request;
    let there = directory.parent!.isFresh ? null : parent.status(name);
    if (there && !isDirectory(there)) {
      if (!mayReplace(overwrite, directory.metadata!.mtimeNs, there)) {
        throw new HoldfastError(
          "target",
          `${displayPath(parent.path)}/${displayPath(name)} is no directory and is left alone`,
          {
            hint: "restore into another directory, or with --overwrite always",
          },
        );
      }
      if (!dryRun) parent.remove(name);
      there = null;
    }
    directory.isFresh = !there;
    if (there || !dryRun) directory.handle = parent.openDirectory(name, { create: !there });
  }

  #entry(path: Buffer, node: TreeNode): Promise<void> | null {
    if (node.type === "socket") {
      this.#report.socket();
      return null;
    }
    if (!this.#choose(path, false).selected) return null;
    const directory = this.#current;
    if (!this.#ensure(directory)) {
      this.#report.missing();
      return null;
    }
    try {
      if (node.type === "file") {
        const waiting = this.#file(directory, path, node);
        return waiting && waiting.catch((error: unknown) => this.#report.failed(path, error));
      }
      this.#other(directory, path, node);
    } catch (error) {
      this.#report.failed(path, error);
    }
    return null;
  }

  #file(directory: RestoreDirectory, path: Buffer, node: TreeNode): Promise<void> | null {
    const name = Buffer.from(node.name);
    const joined = this.#links.join(node, { directory, name });
    const there = this.#status(directory, name);
    if (joined && !joined.isFirst) {
      this.#report.found(0);
      if (this.#isSkipped(node, there, path, 0)) return null;
      joined.group.add(
        { directory, name },
        (place) => this.#link(joined.group, place),
        (place) => this.#linkFailed(place),
      );
      return null;
    }
    const links = joined?.group ?? null;
    const failed = (error: unknown): never => {
      if (links) this.#settleLinks(links, false);
      throw error;
    };
    try {
      const file = this.#newFile(directory, name, path, node, there, links);
      if (!file) {
        if (links) this.#settleLinks(links, true);
      } else if (file.lengths.length > 0) {
        const waiting = this.#content.add(file);
        return waiting && waiting.catch(failed);
      } else this.#emptyFile(file);
    } catch (error) {
      failed(error);
    }
    return null;
  }

  /** Null when the rules leave what is there, or nothing but its metadata is to be set. */
  #newFile(
    directory: RestoreDirectory,
    name: Buffer,
    path: Buffer,
    node: TreeNode,
    there: FileStatus | null,
    links: LinkGroup | null,
  ): RestoredFile | null {
    const content = contentOf(this.#index, node.content ?? [], path);
    const { sizeBytes } = content;
    this.#report.found(sizeBytes);
    if (BigInt(sizeBytes) !== node.size) {
      const message = `${displayPath(path)} should have ${node.size} bytes, but its blobs have ${sizeBytes}: it is restored as they are`;
      this.#report.error(path, "read", new HoldfastError("damaged", message));
    }
    if (this.#isSkipped(node, there, path, sizeBytes)) return null;
    const metadata = metadataOf(node);
    const hasSize = there !== null && isRegularFile(there) && there.size === BigInt(sizeBytes);
    if (hasSize && this.#request.overwrite === "if-changed" && there.mtimeNs === node.mtime) {
      if (!this.#request.dryRun) this.#report.metadata(path, setMetadataOf(directory.handle!, name, metadata, false));
      this.#report.item("unchanged", "file", path, sizeBytes);
      return null;
    }
    if (there && isDirectory(there)) this.#clear(directory, name);
    const replaces = there !== null;
    return new RestoredFile({
      directory,
      name: byteString(name),
      metadata,
      ...content,
      replaces,
      compares: hasSize,
      links,
    });
  }

  #emptyFile(file: RestoredFile): void {
    const { directory, path, links, replaces } = file;
    if (!this.#request.dryRun) {
      const whole = { name: bytesOf(file.name), replaces, metadata: file.metadata };
      this.#report.metadata(path, writeWhole(directory.handle!, whole, empty, this.#request));
      if (this.#request.verify) this.#report.verified();
    }
    this.#report.item(replaces ? "updated" : "restored", "file", path, 0);
    if (links) this.#settleLinks(links, true);
  }

  #other(directory: RestoreDirectory, path: Buffer, node: TreeNode): void {
    if (!["symlink", "fifo", "dev", "chardev"].includes(node.type)) {
      throw new HoldfastError(
        "unsupported",
        `${displayPath(path)} is of the type ${JSON.stringify(node.type)}, which cannot be restored`,
      );
    }
    this.#report.found(0);
    const { name } = node;
    const there = this.#status(directory, name);
    if (this.#isSkipped(node, there, path, 0)) return;
    if (!this.#request.dryRun) {
      if (there && isDirectory(there)) this.#clear(directory, name);
      const isLink = node.type === "symlink";
      this.#place(directory.handle!, name, there !== null && !isDirectory(there), (handle, at) => {
        if (isLink) handle.createSymlink(at, node.linkTarget ?? empty);
        else
          handle.createNode(
            at,
            (unixModeOfGoMode(node.type, node.mode) & ~0o7777) | 0o600,
            node.type === "fifo" ? 0n : node.device,
          );
        this.#report.metadata(path, setMetadataOf(handle, at, metadataOf(node), isLink));
      });
    }
    this.#report.item(there ? "updated" : "restored", node.type, path, 0);
  }

  /** Makes something in its place at once: what is there is replaced only when the new thing is complete. */
  #place(
    directory: DirectoryHandle,
    name: Buffer,
    replaces: boolean,
    make: (directory: DirectoryHandle, at: Buffer) => void,
  ): void {
    if (!replaces) {
      make(directory, name);
      return;
    }
    const at = temporaryName();
    try {
      make(directory, at);
      directory.rename(at, directory, name);
    } catch (error) {
      removeQuietly(directory, at);
      throw error;
    }
  }

  #settleLinks(group: LinkGroup, isComplete: boolean): void {
    group.settle(
      isComplete,
      (place) => this.#link(group, place),
      (place) => this.#linkFailed(place),
    );
  }

  #link(group: LinkGroup, place: LinkPlace): void {
    const path = joinPath(place.directory.path, byteString(place.name));
    try {
      const there = this.#status(place.directory, place.name);
      if (!this.#request.dryRun) {
        if (there && isDirectory(there)) this.#clear(place.directory, place.name);
        group.first.directory.withHandle((first) => {
          const same = first.status(group.first.name);
          // Two names of one file: renaming one over the other would do nothing and leave the temporary name.
          if (there && same && there.inode === same.inode && there.deviceId === same.deviceId) return;
          this.#place(place.directory.handle!, place.name, there !== null && !isDirectory(there), (handle, at) =>
            handle.createHardLink(at, first, group.first.name),
          );
        });
      }
      this.#report.item(there ? "updated" : "restored", "file", path, 0);
    } catch (error) {
      this.#report.failed(path, error);
    }
  }

  #linkFailed(place: LinkPlace): void {
    const path = joinPath(place.directory.path, byteString(place.name));
    this.#report.error(
      path,
      "write",
      new HoldfastError("target", `${displayPath(path)} is another name of a file that could not be restored`),
    );
  }

  /** Null where nothing is there. */
  #status(directory: RestoreDirectory, name: Buffer): FileStatus | null {
    return directory.isFresh || !directory.handle ? null : directory.handle.status(name);
  }

  #isSkipped(node: TreeNode, there: FileStatus | null, path: Buffer, sizeBytes: number): boolean {
    if (!there || mayReplace(this.#request.overwrite, node.mtime, there)) return false;
    this.#report.item("skipped", node.type, path, sizeBytes);
    return true;
  }

  #clear(directory: RestoreDirectory, name: Buffer): void {
    if (!this.#request.dryRun) clearDirectory(directory.handle!, name, this.#request.delete);
  }

  /** Everything in the directory is done. */
  #finishDirectory(directory: RestoreDirectory): void {
    this.#open.delete(directory);
    const { handle, path, metadata, isFresh } = directory;
    try {
      if (handle && directory.names && this.#request.delete && !isFresh)
        this.#deleteUnexpected(handle, path, directory.names);
      if (handle && metadata && !this.#request.dryRun) this.#report.metadata(path, setMetadata(handle, metadata));
      if (
        (handle || this.#request.dryRun) &&
        metadata &&
        !directory.hasFailed &&
        (handle ?? this.#choose(path, true).selected)
      ) {
        this.#report.item(isFresh ? "restored" : "updated", "dir", path, 0);
      }
    } catch (error) {
      this.#report.failed(path, error);
    }
  }

  #deleteUnexpected(handle: DirectoryHandle, path: Buffer, names: ReadonlySet<string>): void {
    for (const name of unexpectedNames(handle, path, names, this.#selection)) {
      const deleted = joinPath(path, byteString(name));
      try {
        if (!this.#request.dryRun) removeAll(handle, name);
        this.#report.item("deleted", "", deleted, 0);
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        this.#report.error(deleted, "delete", error);
      }
    }
  }
}
