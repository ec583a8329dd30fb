// A restorer's worker thread: opens, inflates and checks blobs, and writes them to their files.
import { hash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { nonceBytes, Sealer } from "../codec/seal.ts";
import { Decompressor, requireRoomFor } from "../codec/zstd.ts";
import { HoldfastError } from "../errors.ts";
import { openLibc } from "../filesystem/libc.ts";
import { bytesOf } from "../filesystem/path.ts";
import { DirectoryHandle } from "../filesystem/create.ts";
import { RestoreTools } from "../filesystem/open-entry.ts";
import { Kernel } from "../kernel/kernel.ts";
import { holdsContent } from "./file-writer.ts";
import type { WriteOptions } from "./file-writer.ts";
import type {
  CompareTask,
  FromRestoreWorker,
  PlainError,
  RangeTask,
  RestoreAnswer,
  RestoreTask,
  RestoreWorkerSetup,
  SharedDirectory,
} from "./restore-messages.ts";
import { blobWords } from "./restore-messages.ts";
import { TargetWriter } from "./target-writer.ts";

const port = parentPort!;
const firstScratchBytes = 8 * 1024 * 1024;

class RestoreThread {
  readonly #sealer: Sealer;
  readonly #decompressor = new Decompressor();
  readonly #tools = new RestoreTools(openLibc());
  readonly #options: WriteOptions;
  readonly #stop: Int32Array;
  #inflated: Buffer = Buffer.allocUnsafeSlow(firstScratchBytes);

  constructor(setup: RestoreWorkerSetup) {
    const { encrypt, macK, macR } = setup.key;
    this.#sealer = new Sealer(
      { encrypt: Buffer.from(encrypt), macK: Buffer.from(macK), macR: Buffer.from(macR) },
      Kernel.alone(),
    );
    this.#options = setup.options;
    this.#stop = new Int32Array(setup.stop);
  }

  perform(task: RestoreTask): RestoreAnswer {
    return task.kind === "range" ? this.#writeRange(task) : { kind: "compare", holds: this.#compare(task) };
  }

  #writeRange(task: RangeTask): RestoreAnswer {
    const writer = new TargetWriter(
      task.targets,
      (directory) => this.#directory(directory),
      this.#tools,
      this.#options,
    );
    const failedBlobs: number[] = [];
    let target = 0;
    for (let blob = 0; blob < task.blobs.length / blobWords; blob++) {
      const count = task.blobs[blob * blobWords + 3]!;
      const content = this.#open(task, blob);
      if (!content) failedBlobs.push(blob);
      for (let i = 0; i < count; i++, target++) {
        if (Atomics.load(this.#stop, 0) !== 0) throw new HoldfastError("interrupted", "the restore was stopped");
        if (content) writer.write(target, content);
      }
    }
    // A range is large: it is given back now and not when garbage is collected some time.
    (task.bytes.buffer as ArrayBuffer).transfer(0);
    return { kind: "range", failedBlobs, problems: writer.problems, ownersNotSet: writer.ownersNotSet };
  }

  /** The checked content of a blob, valid until the next one; null if it is damaged. */
  #open(task: RangeTask, blob: number): Buffer | null {
    const word = blob * blobWords;
    const offset = task.blobs[word]!;
    const lengthBytes = task.blobs[word + 1]!;
    const plainLength = task.blobs[word + 2]!;
    try {
      // Opened where it lies: blobs that overlap, which no honest index has, fail to authenticate and are read anew.
      const area = task.bytes.subarray(offset + nonceBytes, offset + lengthBytes);
      const openedBytes = this.#sealer.openInto(task.bytes.subarray(offset, offset + lengthBytes), area);
      const packed = Buffer.from(area.buffer, area.byteOffset, openedBytes);
      let content = packed;
      if (plainLength > 0) {
        requireRoomFor(openedBytes, plainLength);
        this.#inflated = grown(this.#inflated, plainLength);
        const target = this.#inflated.subarray(0, plainLength);
        content = target.subarray(0, this.#decompressor.decompressInto(packed, target));
      }
      return hash("sha256", content, "buffer").compare(task.ids, blob * 32, (blob + 1) * 32) === 0 ? content : null;
    } catch (error) {
      if (error instanceof HoldfastError && error.code === "damaged") return null;
      throw error;
    }
  }

  #compare(task: CompareTask): boolean {
    try {
      return holdsContent(this.#directory(task.directory), bytesOf(task.name), task.run);
    } catch (error) {
      if (error instanceof HoldfastError && error.code !== "internal") return false;
      throw error;
    }
  }

  /** The main thread closes it. */
  #directory({ fd, path }: SharedDirectory): DirectoryHandle {
    return new DirectoryHandle(this.#tools, fd, Buffer.from(path));
  }
}

/** `buffer`, or a larger one: blobs have 8 MiB at most, but other programs may write larger ones. */
function grown(buffer: Buffer, lengthBytes: number): Buffer {
  return buffer.length >= lengthBytes ? buffer : Buffer.allocUnsafeSlow(Math.max(lengthBytes, 2 * buffer.length));
}

function plainError(error: unknown): PlainError {
  const known =
    error instanceof HoldfastError ? error : new HoldfastError("internal", String((error as Error).stack ?? error));
  return { code: known.code, message: known.message, hint: known.hint, context: known.context };
}

let thread: RestoreThread | null = null;
/** The first message is the set-up, all others are tasks. */
port.on("message", (task: RestoreWorkerSetup | RestoreTask) => {
  if (!thread) {
    thread = new RestoreThread(task as RestoreWorkerSetup);
    port.postMessage({ kind: "ready" });
    return;
  }
  let message: FromRestoreWorker;
  try {
    message = { kind: "answer", answer: thread.perform(task as RestoreTask) };
  } catch (error) {
    message = { kind: "failure", error: plainError(error) };
  }
  port.postMessage(message);
});
port.postMessage({ kind: "ready" });
