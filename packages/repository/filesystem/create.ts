// Creates what a restore brings back, always relative to an open directory and never through a link.

import fs from "node:fs";
import { HoldfastError } from "../errors.ts";
import { OpenEntry, RestoreTools } from "./open-entry.ts";
import type { FileStatus } from "./status-area.ts";
import { displayPath, systemError } from "./system-error.ts";
import { atRemoveDirectory, atSymlinkNoFollow, currentDirectory, errno, openPath } from "./system-calls.ts";
import type { SystemCalls } from "./system-calls.ts";
import type { ExtendedAttribute } from "./xattrs.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, S_IFLNK, S_IFMT } = fs.constants;
const { S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK } = fs.constants;

const privateDirectoryMode = 0o700;
const privateFileMode = 0o600;
const dot = 0x2e;
const slash = 0x2f;

/**
 * An open directory. Every name is checked (`hostile` for "", ".", "..", "/" or a zero byte in it), because names
 * come from a repository that somebody else may have written. Nothing here follows a link in the last part, and
 * there are no other parts: a directory that is swapped for a link while a restore runs changes nothing.
 *
 * Failures: `no-space`, `permission`, `unsupported` or `target`, with the full path and `context.errno`.
 * Without libc everything but devices, pipes and attributes still works, by way of /proc/self/fd.
 */
export class DirectoryHandle extends OpenEntry {
  /**
   * Opens the directory in which a restore happens. Its path is the person's own, so links in it are followed.
   */
  static open(calls: SystemCalls, path: Buffer): DirectoryHandle {
    const fd = calls.openat(currentDirectory, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
      throw systemError("target", "open the directory", path, fd);
    }
    const handle = new DirectoryHandle(new RestoreTools(calls), fd, path);
    if (!fs.existsSync(`/proc/self/fd/${fd}`)) {
      handle.close();
      throw new HoldfastError("unsupported", "restoring needs /proc, which is not mounted here", {
        hint: "run on Linux with /proc mounted (containers have it unless it was taken away)",
      });
    }
    return handle;
  }

  /**
   * Opens a directory below this one. With `create` it is made first (mode 0700 unless said otherwise, so that
   * nobody looks in before `setMode`); one that exists is taken. A link or a file in its place is an error (ENOTDIR).
   */
  openDirectory(name: Buffer, options: { create: boolean; mode?: number } = { create: false }): DirectoryHandle {
    this.#demandName(name);
    if (options.create) {
      const made = this.calls.mkdirat(this.fd, name, options.mode ?? privateDirectoryMode);
      if (made !== -errno.EEXIST) {
        this.check(made, "create the directory", name);
      }
    }
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    const fd = this.check(this.calls.openat(this.fd, name, flags, 0), "open the directory", name);
    return new DirectoryHandle(this.tools, fd, this.pathOf(name));
  }

  /** A new file, open for writing; one that exists, even a dangling link, is an error (EEXIST). */
  createFile(name: Buffer, mode = privateFileMode): OpenEntry {
    return this.#openFile(name, O_WRONLY | O_CREAT | O_EXCL, mode, "create the file");
  }

  /** A regular file that is there; a link (ELOOP) or anything else is an error. `flags` as for open(2), without O_CREAT. */
  openFile(name: Buffer, flags: number): OpenEntry {
    const file = this.#openFile(name, flags, 0, "open the file");
    if ((file.ownStatus().mode & S_IFMT) !== S_IFREG) {
      file.close();
      throw new HoldfastError("target", `${displayPath(file.path)} is not a regular file`);
    }
    return file;
  }

  /** `target` may be any bytes but zero, as it is only stored. */
  createSymlink(name: Buffer, target: Buffer): void {
    this.#demandName(name);
    if (target.length === 0 || target.includes(0)) {
      throw new HoldfastError(
        "hostile",
        `the target of the link ${displayPath(this.pathOf(name))} is not a possible one`,
      );
    }
    this.check(this.calls.symlinkat(target, this.fd, name), "create the link", name);
  }

  /** A further name here for what `from` has as `fromName` (the link itself, if it is one). */
  createHardLink(name: Buffer, from: DirectoryHandle, fromName: Buffer): void {
    this.#demandName(name);
    from.#demandName(fromName);
    this.check(this.calls.linkat(from.fd, fromName, this.fd, name), "create the hard link", name);
  }

  /** A named pipe, a device or a socket, by the type in `mode`; `device` as in st_rdev (0 for pipes and sockets). */
  createNode(name: Buffer, mode: number, device: bigint): void {
    this.#demandName(name);
    if (![S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK].includes(mode & S_IFMT)) {
      throw new HoldfastError("internal", `a mode of ${mode.toString(8)} is not for createNode`);
    }
    this.check(this.calls.mknodat(this.fd, name, mode, device), "create the device or pipe", name);
  }

  /** Removes anything but a directory. */
  remove(name: Buffer): void {
    this.#demandName(name);
    this.check(this.calls.unlinkat(this.fd, name, 0), "remove", name);
  }

  /** Removes an empty directory. */
  removeDirectory(name: Buffer): void {
    this.#demandName(name);
    this.check(this.calls.unlinkat(this.fd, name, atRemoveDirectory), "remove the directory", name);
  }

  /** Moves, replacing what is at the new place. */
  rename(name: Buffer, to: DirectoryHandle, toName: Buffer): void {
    this.#demandName(name);
    to.#demandName(toName);
    to.check(this.calls.renameat(this.fd, name, to.fd, toName), "rename into", toName);
  }

  /** Moves to a name that nothing has yet: else an error (EEXIST). */
  renameNew(name: Buffer, to: DirectoryHandle, toName: Buffer): void {
    this.#demandName(name);
    to.#demandName(toName);
    to.check(this.calls.renameNew(this.fd, name, to.fd, toName), "rename to the new name", toName);
  }

  /** A further handle of this very directory, wherever its path leads meanwhile. */
  reopen(): DirectoryHandle {
    const flags = O_RDONLY | O_DIRECTORY;
    const fd = this.check(this.calls.openat(this.fd, Buffer.of(dot), flags, 0), "open the directory");
    return new DirectoryHandle(this.tools, fd, this.path);
  }

  /** Resolves when all that was written to the file system of this directory is on the disk; at once where that cannot be asked for (`missing`). */
  async syncFileSystem(): Promise<void> {
    const result = await this.calls.syncfs(this.fd);
    if (result !== -errno.ENOSYS) this.check(result, "write to the disk the file system of");
  }

  /** Of the link itself, if `name` is one; so are the next ones. */
  setOwnerOf(name: Buffer, uid: number, gid: number): void {
    this.#demandName(name);
    this.check(this.calls.fchownat(this.fd, name, uid, gid), "set the owner of", name);
  }

  /** For anything but a link, which has no mode in Linux (error ENOTSUP). */
  setModeOf(name: Buffer, mode: number): void {
    this.#demandName(name);
    // fchmodat cannot be told not to follow before Linux 6.6. O_PATH pins the object (and opens no device or pipe).
    const flags = openPath | O_NOFOLLOW;
    using entry = new OpenEntry(
      this.tools,
      this.check(this.calls.openat(this.fd, name, flags, 0), "open", name),
      this.pathOf(name),
    );
    if ((entry.ownStatus().mode & S_IFMT) === S_IFLNK) {
      throw systemError("target", "set the mode of the link", this.pathOf(name), -errno.ENOTSUP);
    }
    this.attempt("set the mode of", () => fs.chmodSync(`/proc/self/fd/${entry.fd}`, mode & 0o7777), name);
  }

  setTimesOf(name: Buffer, atimeNs: bigint, mtimeNs: bigint): void {
    this.#demandName(name);
    this.check(this.calls.utimensat(this.fd, name, atimeNs, mtimeNs), "set the times of", name);
  }

  /** Like `setXattrs`, of the entry of that name. */
  setXattrsOf(name: Buffer, wanted: readonly ExtendedAttribute[]): void {
    this.#demandName(name);
    this.tools.xattrs.replace(this.#reach(name), wanted, this.pathOf(name));
  }

  /** Null if there is nothing of that name. */
  status(name: Buffer): FileStatus | null {
    this.#demandName(name);
    const result = this.calls.statx(this.fd, name, atSymlinkNoFollow, this.tools.area);
    if (result === -errno.ENOENT) {
      return null;
    }
    this.check(result, "read the status of", name);
    return this.tools.area.decode();
  }

  readLink(name: Buffer): Buffer {
    this.#demandName(name);
    return this.attempt("read the link", () => fs.readlinkSync(this.#reach(name), { encoding: "buffer" }), name);
  }

  /** Raw names, without "." and "..". */
  list(): Buffer[] {
    return this.attempt("list the directory", () => fs.readdirSync(`/proc/self/fd/${this.fd}`, { encoding: "buffer" }));
  }

  #openFile(name: Buffer, flags: number, mode: number, action: string): OpenEntry {
    this.#demandName(name);
    // O_NONBLOCK: a pipe put in the file's place must not block the restore; files do not care.
    const fd = this.calls.openat(this.fd, name, flags | O_NOFOLLOW | O_NONBLOCK, mode);
    return new OpenEntry(this.tools, this.check(fd, action, name), this.pathOf(name));
  }

  /** A path to `name` whose directory part is this open directory itself. The last part may still be a link. */
  #reach(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), name]);
  }

  /** Refuses a name that could lead out of this directory. */
  #demandName(name: Buffer): void {
    const isDots = name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
    if (name.length === 0 || isDots || name.includes(slash) || name.includes(0)) {
      throw new HoldfastError("hostile", `"${displayPath(name)}" is not a possible name in ${displayPath(this.path)}`, {
        context: { path: displayPath(this.pathOf(name)) },
      });
    }
  }
}
