// A worker thread that verifies packs: it is given their bytes and answers what is wrong with them.
import { parentPort, workerData } from "node:worker_threads";
import type { MasterKey } from "../codec/seal.ts";
import { Sealer } from "../codec/seal.ts";
import { Decompressor } from "../codec/zstd.ts";
import { Kernel } from "../kernel/kernel.ts";
import type { BlobTable, PackProblem } from "./pack-verification.ts";
import { PackVerifier } from "./pack-verification.ts";

export interface PackTask {
  readonly name: string;
  /** The whole of a pack in memory of its own, handed over. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly blobs: BlobTable;
}

/** One for each task, in their order. */
export interface PackAnswer {
  readonly problems: readonly PackProblem[];
}

const port = parentPort!;
const { encrypt, macK, macR } = workerData as MasterKey;
const key = { encrypt: Buffer.from(encrypt), macK: Buffer.from(macK), macR: Buffer.from(macR) };
const verifier = new PackVerifier(new Sealer(key, Kernel.alone()), new Decompressor());

port.on("message", ({ name, bytes, blobs }: PackTask) => {
  const problems = verifier.verify(name, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), blobs);
  // Given back at once: the collector does not know how much memory hangs on so small an object.
  bytes.buffer.transfer(0);
  port.postMessage({ problems } satisfies PackAnswer);
});
