// The one place that calls the C library: every native prototype of the file system is declared here.

import { createRequire } from "node:module";
import { NodeCalls } from "./node-calls.ts";
import { splitTime } from "./status-area.ts";
import type { StatusArea } from "./status-area.ts";
import { atSymlinkNoFollow, errno } from "./system-calls.ts";
import type { SystemCalls, XattrTarget } from "./system-calls.ts";

/** The part of koffi that is used. */
export interface NativeLoader {
  load(path: null): { func(definition: string): unknown };
  /** The errno that the last call on this thread left. */
  errno(): number;
}

/**
 * Prototypes by name. A `void *` takes a Buffer. 64-bit Linux only, so `off_t`, `dev_t`, `size_t` and the
 * members of `struct timespec` have 64 bits in glibc and musl alike; statx has one layout everywhere.
 * openat and fcntl are variadic in C: on x64 and arm64 Linux integer arguments travel the same way in both forms.
 */
const prototypes = {
  statx: "int statx(int, void *, int, uint32_t, void *)",
  openat: "int openat(int, void *, int, uint32_t)",
  close: "int close(int)",
  mkdirat: "int mkdirat(int, void *, uint32_t)",
  symlinkat: "int symlinkat(void *, int, void *)",
  linkat: "int linkat(int, void *, int, void *, int)",
  mknodat: "int mknodat(int, void *, uint32_t, uint64_t)",
  // glibc before 2.33 has only this older entry, with a version (always 0 here) in front and a pointer behind.
  __xmknodat: "int __xmknodat(int, int, void *, uint32_t, void *)",
  unlinkat: "int unlinkat(int, void *, int)",
  renameat: "int renameat(int, void *, int, void *)",
  renameat2: "int renameat2(int, void *, int, void *, uint32_t)",
  syncfs: "int syncfs(int)",
  fchownat: "int fchownat(int, void *, uint32_t, uint32_t, int)",
  utimensat: "int utimensat(int, void *, void *, int)",
  // glibc's utimensat refuses the null that the kernel takes for "the descriptor itself".
  futimens: "int futimens(int, void *)",
  lseek: "int64_t lseek(int, int64_t, int)",
  fallocate: "int fallocate(int, int, int64_t, int64_t)",
  pipe2: "int pipe2(void *, int)",
  fcntl: "int fcntl(int, int, int64_t)",
  poll: "int poll(void *, uint64_t, int)",
  llistxattr: "int64_t llistxattr(void *, void *, size_t)",
  flistxattr: "int64_t flistxattr(int, void *, size_t)",
  lgetxattr: "int64_t lgetxattr(void *, void *, void *, size_t)",
  fgetxattr: "int64_t fgetxattr(int, void *, void *, size_t)",
  lsetxattr: "int lsetxattr(void *, void *, void *, size_t, int)",
  fsetxattr: "int fsetxattr(int, void *, void *, size_t, int)",
  lremovexattr: "int lremovexattr(void *, void *)",
  fremovexattr: "int fremovexattr(int, void *)",
} as const;

type SymbolName = keyof typeof prototypes;
interface NativeFunction {
  (...values: (number | bigint | Buffer)[]): number | bigint;
  /** Calls it from a thread of libuv's pool; the last argument takes the result. */
  async(...values: (number | Buffer | ((error: Error | null, result: number) => void))[]): void;
}
type Symbols = Readonly<Partial<Record<SymbolName, NativeFunction>>>;

/** What is lost without the named symbols (any one of an inner list will do). Calls not listed lose nothing through node:fs. */
const abilities: readonly { readonly words: string; readonly needs: readonly (readonly SymbolName[])[] }[] = [
  {
    words: "extended attributes and access control lists",
    needs: [
      ["llistxattr"],
      ["flistxattr"],
      ["lgetxattr"],
      ["fgetxattr"],
      ["lsetxattr"],
      ["fsetxattr"],
      ["lremovexattr"],
      ["fremovexattr"],
    ],
  },
  { words: "setting file times to the nanosecond", needs: [["utimensat"], ["futimens"]] },
  { words: "creating devices and named pipes", needs: [["mknodat", "__xmknodat"]] },
  { words: "finding holes in sparse files", needs: [["lseek"]] },
  { words: "reserving space and punching holes", needs: [["fallocate"]] },
  { words: "waiting until restored files are on the disk", needs: [["syncfs"]] },
];

/**
 * The system calls of this machine: through libc where koffi and Linux on x64 or arm64 are there, otherwise as far
 * as node:fs can make them. `missing` says what is lost; show it once. Opens nothing that needs closing; each
 * thread calls this for itself.
 */
export function openLibc(loader: () => NativeLoader = loadKoffi): SystemCalls {
  const native = loadNative(loader);
  const symbols = native?.symbols ?? {};
  const missing = abilities
    .filter(({ needs }) => !needs.every((names) => names.some((name) => symbols[name] !== undefined)))
    .map(({ words }) => words);
  return native === null ? new NodeCalls(missing) : new LibcCalls(symbols, native.loader, missing);
}

function loadKoffi(): NativeLoader {
  // require, because import() would make every opener asynchronous.
  return createRequire(import.meta.url)("koffi") as NativeLoader;
}

function loadNative(open: () => NativeLoader): { symbols: Symbols; loader: NativeLoader } | null {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    return null;
  }
  try {
    const loader = open();
    // null: the symbols of the running program, which is linked to glibc or musl itself.
    const library = loader.load(null);
    const symbols: Partial<Record<SymbolName, NativeFunction>> = {};
    for (const name of Object.keys(prototypes) as SymbolName[]) {
      try {
        symbols[name] = library.func(prototypes[name]) as NativeFunction;
      } catch {
        // An older C library: what it means is worked out in `abilities`.
      }
    }
    return { symbols, loader };
  } catch {
    // Not installed, or no binary for this machine: the reason does not change what can be done.
    return null;
  }
}

const pathBytes = 4096; // PATH_MAX, the terminating zero included
const closeOnExec = 0o2000000; // O_CLOEXEC
const renameNoReplace = 1; // RENAME_NOREPLACE
const statxBasic = 0x7ff; // STATX_BASIC_STATS

/** Through libc; a call whose symbol is missing goes to node:fs. */
class LibcCalls extends NodeCalls {
  readonly #native: Symbols;
  readonly #loader: NativeLoader;
  // Two, for the calls that take two names. Names are copied to be terminated with a zero.
  readonly #first = Buffer.allocUnsafeSlow(pathBytes);
  readonly #second = Buffer.allocUnsafeSlow(pathBytes);
  readonly #times = new BigInt64Array(4);
  readonly #timesBytes = Buffer.from(this.#times.buffer);

  constructor(native: Symbols, loader: NativeLoader, missing: readonly string[]) {
    super(missing);
    this.#native = native;
    this.#loader = loader;
  }

  override statx(directory: number, name: Buffer, flags: number, area: StatusArea): number {
    const call = this.#native.statx;
    if (call === undefined) {
      return super.statx(directory, name, flags, area);
    }
    return (
      this.#name(name) || this.#done(call(directory, this.#first, flags | atSymlinkNoFollow, statxBasic, area.bytes))
    );
  }

  override openat(directory: number, name: Buffer, flags: number, mode: number): number {
    const call = this.#native.openat;
    // Opened and closed by the same side, see `close` in the interface.
    if (call === undefined || this.#native.close === undefined) {
      return super.openat(directory, name, flags, mode);
    }
    return this.#name(name) || this.#done(call(directory, this.#first, flags | closeOnExec, mode));
  }

  override close(descriptor: number): number {
    const call = this.#native.close;
    if (call === undefined || this.#native.openat === undefined) {
      return super.close(descriptor);
    }
    return this.#done(call(descriptor));
  }

  override mkdirat(directory: number, name: Buffer, mode: number): number {
    const call = this.#native.mkdirat;
    return call === undefined
      ? super.mkdirat(directory, name, mode)
      : this.#name(name) || this.#done(call(directory, this.#first, mode));
  }

  override symlinkat(target: Buffer, directory: number, name: Buffer): number {
    const call = this.#native.symlinkat;
    return call === undefined
      ? super.symlinkat(target, directory, name)
      : this.#names(target, name) || this.#done(call(this.#first, directory, this.#second));
  }

  override linkat(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number {
    const call = this.#native.linkat;
    return call === undefined
      ? super.linkat(oldDirectory, oldName, newDirectory, newName)
      : this.#names(oldName, newName) || this.#done(call(oldDirectory, this.#first, newDirectory, this.#second, 0));
  }

  override mknodat(directory: number, name: Buffer, mode: number, device: bigint): number {
    const { mknodat, __xmknodat } = this.#native;
    const invalid = this.#name(name);
    if (invalid !== 0) {
      return invalid;
    }
    if (mknodat !== undefined) {
      return this.#done(mknodat(directory, this.#first, mode, device));
    }
    if (__xmknodat === undefined) {
      return super.mknodat(directory, name, mode, device);
    }
    const pointed = Buffer.alloc(8);
    pointed.writeBigUInt64LE(device);
    return this.#done(__xmknodat(0, directory, this.#first, mode, pointed));
  }

  override unlinkat(directory: number, name: Buffer, flags: number): number {
    const call = this.#native.unlinkat;
    return call === undefined
      ? super.unlinkat(directory, name, flags)
      : this.#name(name) || this.#done(call(directory, this.#first, flags));
  }

  override renameat(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number {
    const call = this.#native.renameat;
    return call === undefined
      ? super.renameat(oldDirectory, oldName, newDirectory, newName)
      : this.#names(oldName, newName) || this.#done(call(oldDirectory, this.#first, newDirectory, this.#second));
  }

  override renameNew(oldDirectory: number, oldName: Buffer, newDirectory: number, newName: Buffer): number {
    const call = this.#native.renameat2;
    const result =
      call === undefined
        ? -errno.ENOSYS
        : this.#names(oldName, newName) ||
          this.#done(call(oldDirectory, this.#first, newDirectory, this.#second, renameNoReplace));
    // EINVAL: this file system does not know the flag.
    const isUnknown = result === -errno.ENOSYS || result === -errno.EINVAL;
    return isUnknown ? super.renameNew(oldDirectory, oldName, newDirectory, newName) : result;
  }

  override fchownat(directory: number, name: Buffer, uid: number, gid: number): number {
    const call = this.#native.fchownat;
    return call === undefined
      ? super.fchownat(directory, name, uid, gid)
      : this.#name(name) || this.#done(call(directory, this.#first, uid, gid, atSymlinkNoFollow));
  }

  override utimensat(directory: number, name: Buffer | null, atimeNs: bigint, mtimeNs: bigint): number {
    const { futimens, utimensat } = this.#native;
    if (futimens === undefined || utimensat === undefined) {
      return super.utimensat(directory, name, atimeNs, mtimeNs);
    }
    const atime = splitTime(atimeNs);
    const mtime = splitTime(mtimeNs);
    this.#times.set([atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds]);
    if (name === null) {
      return this.#done(futimens(directory, this.#timesBytes));
    }
    return this.#name(name) || this.#done(utimensat(directory, this.#first, this.#timesBytes, atSymlinkNoFollow));
  }

  override async syncfs(descriptor: number): Promise<number> {
    const call = this.#native.syncfs;
    if (call === undefined) {
      return super.syncfs(descriptor);
    }
    const result = await new Promise<number>((resolve, reject) => {
      call.async(descriptor, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
    // The errno of another thread cannot be asked for; on an open descriptor it can only be that of the disk.
    return result < 0 ? -errno.EIO : result;
  }

  override lseek(descriptor: number, offset: bigint, whence: number): bigint {
    const call = this.#native.lseek;
    if (call === undefined) {
      return super.lseek(descriptor, offset, whence);
    }
    const result = BigInt(call(descriptor, offset, whence));
    return result < 0n ? BigInt(-this.#loader.errno()) : result;
  }

  override fallocate(descriptor: number, mode: number, offset: bigint, lengthBytes: bigint): number {
    const call = this.#native.fallocate;
    return call === undefined
      ? super.fallocate(descriptor, mode, offset, lengthBytes)
      : this.#done(call(descriptor, mode, offset, lengthBytes));
  }

  override pipe(ends: Buffer): number {
    const call = this.#native.pipe2;
    return call === undefined ? super.pipe(ends) : this.#done(call(ends, closeOnExec));
  }

  override fcntl(descriptor: number, command: number, value: number): number {
    const call = this.#native.fcntl;
    return call === undefined ? super.fcntl(descriptor, command, value) : this.#done(call(descriptor, command, value));
  }

  override poll(descriptor: number, events: number): number {
    const call = this.#native.poll;
    return call === undefined ? super.poll(descriptor, events) : this.#done(call(pollEntry(descriptor, events), 1, 0));
  }

  override async pollLater(descriptor: number, events: number, timeoutMs: number): Promise<number> {
    const call = this.#native.poll;
    if (call === undefined) {
      return super.pollLater(descriptor, events, timeoutMs);
    }
    const entry = pollEntry(descriptor, events);
    await new Promise<void>((resolve, reject) => {
      call.async(entry, 1, timeoutMs, (error) => (error === null ? resolve() : reject(error)));
    });
    // The errno of another thread cannot be asked for, so the answer is this thread's.
    return this.poll(descriptor, events);
  }

  override listxattr(target: XattrTarget, into: Buffer): number {
    const { flistxattr, llistxattr } = this.#native;
    if (flistxattr === undefined || llistxattr === undefined) {
      return super.listxattr(target, into);
    }
    return typeof target === "number"
      ? this.#done(flistxattr(target, into, into.length))
      : this.#name(target) || this.#done(llistxattr(this.#first, into, into.length));
  }

  override getxattr(target: XattrTarget, name: Buffer, into: Buffer): number {
    const { fgetxattr, lgetxattr } = this.#native;
    if (fgetxattr === undefined || lgetxattr === undefined) {
      return super.getxattr(target, name, into);
    }
    return typeof target === "number"
      ? this.#name(name) || this.#done(fgetxattr(target, this.#first, into, into.length))
      : this.#names(target, name) || this.#done(lgetxattr(this.#first, this.#second, into, into.length));
  }

  override setxattr(target: XattrTarget, name: Buffer, value: Buffer): number {
    const { fsetxattr, lsetxattr } = this.#native;
    if (fsetxattr === undefined || lsetxattr === undefined) {
      return super.setxattr(target, name, value);
    }
    return typeof target === "number"
      ? this.#name(name) || this.#done(fsetxattr(target, this.#first, value, value.length, 0))
      : this.#names(target, name) || this.#done(lsetxattr(this.#first, this.#second, value, value.length, 0));
  }

  override removexattr(target: XattrTarget, name: Buffer): number {
    const { fremovexattr, lremovexattr } = this.#native;
    if (fremovexattr === undefined || lremovexattr === undefined) {
      return super.removexattr(target, name);
    }
    return typeof target === "number"
      ? this.#name(name) || this.#done(fremovexattr(target, this.#first))
      : this.#names(target, name) || this.#done(lremovexattr(this.#first, this.#second));
  }

  /** Errno is read at once, before anything else can change it. */
  #done(result: number | bigint): number {
    return result === -1 ? -this.#loader.errno() : Number(result);
  }

  #name(name: Buffer): number {
    return terminate(name, this.#first);
  }

  #names(first: Buffer, second: Buffer): number {
    return terminate(first, this.#first) || terminate(second, this.#second);
  }
}

/** A `struct pollfd`: the descriptor, the events that are waited for, and room for those that are there. */
function pollEntry(descriptor: number, events: number): Buffer {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(descriptor);
  entry.writeInt16LE(events, 4);
  return entry;
}

/** Copies `name` with a zero behind it; 0, or the negative error number. */
function terminate(name: Buffer, into: Buffer): number {
  if (name.length >= into.length) {
    return -errno.ENAMETOOLONG;
  }
  if (name.includes(0)) {
    return -errno.EINVAL;
  }
  into.set(name);
  into[name.length] = 0;
  return 0;
}
