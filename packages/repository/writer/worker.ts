// A writer's worker thread: takes tasks, answers them, and sends full packs to the main thread.
import { hash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { chunkerFor } from "../chunker/chunker-hint.ts";
import { Sealer } from "../codec/seal.ts";
import { Compressor, Decompressor } from "../codec/zstd.ts";
import { HoldfastError } from "../errors.ts";
import { openLibc } from "../filesystem/libc.ts";
import { MetadataReader } from "../filesystem/metadata.ts";
import { byteString } from "../filesystem/path.ts";
import { UserNames } from "../filesystem/users.ts";
import { createTimeFormatter } from "../format/go-time.ts";
import { sealPack } from "../format/pack.ts";
import { BlobIndex } from "../index/blob-index.ts";
import { Kernel } from "../kernel/kernel.ts";
import { Selection } from "../selection/selection.ts";
import { BlobWriter } from "./blob-writer.ts";
import { DirectoryScanner, isSpent, newBudget } from "./directory-scanner.ts";
import { FileSaver } from "./file-saver.ts";
import type {
  Answer,
  FromWorker,
  LargeFileItem,
  PathProblem,
  ScanItem,
  ScanPart,
  Task,
  WorkerSetup,
} from "./messages.ts";
import { NodeMaker } from "./node-maker.ts";
import { PackSlots } from "./pack-slots.ts";
import { SharedProgress } from "./progress.ts";
import { TreeSealer } from "./tree-sealer.ts";

const port = parentPort!;

/** Everything a thread owns, wired once. */
class WriterThread {
  readonly #index: BlobIndex;
  readonly #slots: PackSlots;
  readonly #sealer: Sealer;
  readonly #blobs: BlobWriter;
  readonly #files: FileSaver;
  readonly #scanner: DirectoryScanner;
  #problems: PathProblem[] = [];
  #sockets: string[] = [];

  constructor(setup: WorkerSetup) {
    const kernel = new Kernel(setup.memory, setup.kernelScratch);
    const progress = new SharedProgress(setup.progress);
    const system = openLibc();
    const metadata = new MetadataReader(system);
    const key = {
      encrypt: Buffer.from(setup.key.encrypt),
      macK: Buffer.from(setup.key.macK),
      macR: Buffer.from(setup.key.macR),
    };
    this.#index = BlobIndex.attach(setup.index);
    this.#slots = new PackSlots(setup.slots, kernel.bytes);
    this.#sealer = new Sealer(key, kernel);
    const decompressor = new Decompressor();
    const blobParts = {
      index: this.#index,
      sealer: this.#sealer,
      compressor: setup.compression ? new Compressor() : null,
      decompressor,
      scratch: {
        sealed: kernel.view(setup.sealScratch),
        inflated: kernel.view(setup.inflatedScratch),
      },
    };
    this.#blobs = new BlobWriter({
      ...blobParts,
      append: (blob, check) => this.#slots.append(blob, check, (buffer) => this.#finishPack(buffer)),
    });
    this.#files = new FileSaver({
      system,
      memory: kernel.bytes,
      window: setup.window,
      chunker: chunkerFor({ kind: "rabin" }, kernel, setup.rabinTables),
      blobs: this.#blobs,
      bytesRead: (bytes) => progress.add("bytes", bytes),
    });
    this.#scanner = new DirectoryScanner({
      metadata,
      nodes: new NodeMaker(metadata, new UserNames(), setup.withAtime),
      files: this.#files,
      index: this.#index,
      selections: setup.selections.map((rules) => new Selection(rules)),
      sealer: this.#sealer,
      treeSealer: new TreeSealer(blobParts),
      decompressor,
      formatTime: createTimeFormatter(),
      oneFileSystem: setup.oneFileSystem,
      report: (problem) => this.#problems.push(problem),
      socket: (path) => this.#sockets.push(byteString(path)),
      fileDone: (keptBytes) => {
        progress.add("files", 1);
        progress.add("bytes", keptBytes);
      },
    });
  }

  answer(task: Task): void {
    const answer = this.#perform(task);
    const totals = { ...this.#blobs.totals };
    Object.assign(this.#blobs.totals, { blobs: 0, plainBytes: 0, sealedBytes: 0 });
    post({ kind: "answer", answer, totals }, transferable(answer));
  }

  #perform(task: Task): Answer {
    switch (task.kind) {
      case "scan":
        return this.#scan(task.items);
      case "large":
        return this.#saveLarge(task.file);
      case "chunks":
        return { kind: "chunks", ids: this.#files.saveChunkIds(task.lengths, task.pointer) };
      case "flush":
        for (const buffer of this.#slots.closeAll()) this.#finishPack(buffer);
        return { kind: "flush" };
    }
  }

  #scan(items: readonly ScanItem[]): Answer {
    const budget = newBudget();
    const parts: ScanPart[] = [];
    let done = 0;
    for (; done < items.length && !isSpent(budget); done++) parts.push(this.#scanner.scan(items[done]!, budget));
    const answer: Answer = {
      kind: "scan",
      parts,
      undone: items.slice(done),
      problems: this.#problems,
      sockets: this.#sockets,
    };
    this.#problems = [];
    this.#sockets = [];
    return answer;
  }

  #saveLarge(file: LargeFileItem): Answer {
    try {
      return { kind: "large", ...this.#files.saveShared(file), problem: null };
    } catch (error) {
      if (error instanceof HoldfastError && error.code !== "source" && error.code !== "permission") throw error;
      const code = (error as NodeJS.ErrnoException).code;
      const message = code === "ENOENT" ? "vanished while the backup ran" : `cannot be read: ${code ?? String(error)}`;
      const problem: PathProblem = {
        path: file.path,
        during: "read",
        code: code === "EACCES" ? "permission" : "source",
        message,
      };
      return { kind: "large", segments: [], changed: false, sizeBytes: 0, problem };
    }
  }

  /** Completes a full pack: its header, the header's length, and the hash that names it. */
  #finishPack(buffer: number): void {
    const bytes = this.#slots.bytes(buffer);
    const used = this.#slots.usedBytes(buffer);
    const entries = this.#slots.blobs(buffer).map((blob) => ({
      ...blob,
      id: this.#index.idOf(blob.entry),
      type: "data" as const,
    }));
    const header = sealPack(entries, this.#sealer);
    bytes.set(header, used);
    const sizeBytes = used + header.length;
    post({ kind: "pack", buffer, id: hash("sha256", bytes.subarray(0, sizeBytes)), sizeBytes });
  }
}

function transferable(answer: Answer): ArrayBuffer[] {
  if (answer.kind !== "scan") return [];
  const bytes = answer.parts.flatMap(({ json, tree }) => (tree ? [json, tree.bytes] : [json]));
  return bytes.filter(({ length }) => length > 0).map(({ buffer }) => buffer as ArrayBuffer);
}

function post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

let thread: WriterThread | null = null;

/** The first message is the set-up, all others are tasks. */
port.on("message", (message: WorkerSetup | Task) => {
  const isSetUp = thread === null;
  try {
    if (thread) thread.answer(message as Task);
    else thread = new WriterThread(message as WorkerSetup);
  } catch (error) {
    const known =
      error instanceof HoldfastError ? error : new HoldfastError("internal", String((error as Error).stack ?? error));
    post({ kind: "failure", code: known.code, message: known.message, hint: known.hint });
  }
  if (isSetUp) post({ kind: "ready" });
});

post({ kind: "ready" });
