// A worker thread of a check: it is given packs to verify and trees to read, and answers what it found.
import { hash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import type { MasterKey } from "../../codec/seal.ts";
import { Sealer } from "../../codec/seal.ts";
import { Decompressor } from "../../codec/zstd.ts";
import { hasCode } from "../../errors.ts";
import { Kernel } from "../../kernel/kernel.ts";
import type { PackPiece, PackProblem } from "./pack-verification.ts";
import { PackVerifier } from "./pack-verification.ts";
import type { TreeFacts } from "../tree-facts.ts";
import { factsOfTree } from "../tree-facts.ts";

/** `bytes` lie in memory of their own, which is handed over. */
export type CheckTask =
  | {
      readonly kind: "pack";
      readonly piece: PackPiece;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: "trees";
      readonly trees: readonly SealedTree[];
      /** Of all trees, one behind the other. */
      readonly bytes: Uint8Array<ArrayBuffer>;
    };

export interface SealedTree {
  readonly id: string;
  readonly lengthBytes: number;
  readonly plainLength: number;
}

/** One for each task, in their order. The problems of a pack come with its last piece. A tree whose sealed bytes are damaged has no facts. */
export type CheckAnswer =
  | { readonly kind: "pack"; readonly problems: readonly PackProblem[] }
  | { readonly kind: "trees"; readonly facts: readonly (TreeFacts | null)[] };

const port = parentPort!;
const { encrypt, macK, macR } = workerData as MasterKey;
const key = { encrypt: Buffer.from(encrypt), macK: Buffer.from(macK), macR: Buffer.from(macR) };
const sealer = new Sealer(key, Kernel.alone());
const decompressor = new Decompressor();
const verifier = new PackVerifier(sealer, decompressor);

function readTrees(trees: readonly SealedTree[], bytes: Buffer): (TreeFacts | null)[] {
  let end = 0;
  const facts = trees.map(({ id, lengthBytes, plainLength }) => {
    const start = end;
    end += lengthBytes;
    return readTree(bytes.subarray(start, end), plainLength, id);
  });
  return inOneMemory(facts);
}

/** All ids lie in one piece of memory: that is handed over in one go. */
function inOneMemory(all: readonly (TreeFacts | null)[]): (TreeFacts | null)[] {
  const total = all.reduce((sum, facts) => sum + (facts ? facts.content.length + facts.subtrees.length : 0), 0);
  const memory = new ArrayBuffer(total);
  let end = 0;
  const moved = (ids: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    const place = new Uint8Array(memory, end, ids.length);
    place.set(ids);
    end += ids.length;
    return place;
  };
  return all.map((facts) => facts && { ...facts, content: moved(facts.content), subtrees: moved(facts.subtrees) });
}

function readTree(sealed: Buffer, plainLength: number, id: string): TreeFacts | null {
  try {
    const packed = sealer.open(sealed);
    const plain = plainLength > 0 ? decompressor.decompress(packed, plainLength) : packed;
    return hash("sha256", plain) === id ? factsOfTree(plain) : null;
  } catch (error) {
    if (!hasCode(error, "damaged")) throw error;
    return null;
  }
}

port.on("message", (task: CheckTask) => {
  const bytes = Buffer.from(task.bytes.buffer, task.bytes.byteOffset, task.bytes.byteLength);
  const answer: CheckAnswer =
    task.kind === "pack"
      ? { kind: "pack", problems: verifier.verify(task.piece, bytes) }
      : { kind: "trees", facts: readTrees(task.trees, bytes) };
  // Given back at once: the collector does not know how much memory hangs on so small an object.
  task.bytes.buffer.transfer(0);
  const memory = answer.kind === "trees" ? answer.facts.find((facts) => facts !== null)?.content.buffer : undefined;
  port.postMessage(answer, memory ? [memory] : []);
});

port.postMessage({ kind: "ready" });
