// A worker thread of a copy: it opens, verifies and seals anew the blobs that it is given, and reads trees.
import { hash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import type { MasterKey } from "../../codec/seal.ts";
import { Sealer } from "../../codec/seal.ts";
import { Compressor, Decompressor } from "../../codec/zstd.ts";
import { hasCode } from "../../errors.ts";
import { idBytes } from "../../format/id.ts";
import { Kernel } from "../../kernel/kernel.ts";
import type { CopyAnswer, CopyTask, CopyWorkerData } from "./copy-tasks.ts";
import { answerWords, taskWords } from "./copy-tasks.ts";
import { Resealer } from "./resealer.ts";
import type { TreeFacts } from "../tree-facts.ts";
import { factsOfTree } from "../tree-facts.ts";

const { from, to, compresses } = workerData as CopyWorkerData;
const kernel = Kernel.alone();
const source = new Sealer(keyOf(from), kernel);
const decompressor = new Decompressor();
const resealer = new Resealer({
  from: source,
  to: new Sealer(keyOf(to), kernel),
  compressor: compresses ? new Compressor() : null,
  decompressor,
});

function keyOf({ encrypt, macK, macR }: MasterKey): MasterKey {
  return { encrypt: Buffer.from(encrypt), macK: Buffer.from(macK), macR: Buffer.from(macR) };
}

function resealBlobs({ bytes, places, ids }: CopyTask & { kind: "blobs" }): CopyAnswer & { kind: "blobs" } {
  const count = places.length / taskWords;
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let mostBytes = 0;
  for (let at = 0; at < places.length; at += taskWords)
    mostBytes += resealer.targetBytes(places[at + 1]!, places[at + 2]!);
  const output = Buffer.allocUnsafeSlow(mostBytes);
  const answer = new Uint32Array(count * answerWords);
  let used = 0;
  for (let blob = 0; blob < count; blob++) {
    const [start, lengthBytes, plainLength] = places.subarray(blob * taskWords, (blob + 1) * taskWords);
    const id = Buffer.from(ids.buffer, ids.byteOffset + blob * idBytes, idBytes).toString("hex");
    const sealed = input.subarray(start, start! + lengthBytes!);
    const resealed = resealer.reseal(sealed, plainLength!, id, output.subarray(used));
    if (!resealed) continue;
    answer.set([resealed.lengthBytes, resealed.plainLength], blob * answerWords);
    used += resealed.lengthBytes;
  }
  return { kind: "blobs", bytes: output, places: answer };
}

function readTree({ bytes, plainLength, id }: CopyTask & { kind: "tree" }): TreeFacts | null {
  try {
    const packed = source.open(bytes);
    const plain = plainLength > 0 ? decompressor.decompress(packed, plainLength) : packed;
    return hash("sha256", plain) === id ? factsOfTree(plain) : null;
  } catch (error) {
    if (!hasCode(error, "damaged")) throw error;
    return null;
  }
}

parentPort!.on("message", (task: CopyTask) => {
  if (task.kind === "blobs") {
    const answer = resealBlobs(task);
    parentPort!.postMessage(answer, [answer.bytes.buffer]);
  } else {
    parentPort!.postMessage({ kind: "tree", facts: readTree(task) });
  }
  // Given back at once: the collector does not know how much memory hangs on so small an object.
  task.bytes.buffer.transfer(0);
});

parentPort!.postMessage({ kind: "ready" });
