// What the main thread of a copy and its worker threads tell each other.
import type { MasterKey } from "../../codec/seal.ts";
import type { TreeFacts } from "../tree-facts.ts";

export interface CopyWorkerData {
  readonly from: MasterKey;
  readonly to: MasterKey;
  readonly compresses: boolean;
}

/** `bytes` lie in memory of their own, which is handed over. */
export type CopyTask =
  | {
      readonly kind: "blobs";
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Of each blob: where it begins in `bytes`, its sealed length, its plain length (0: not compressed). */
      readonly places: Uint32Array<ArrayBuffer>;
      readonly ids: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: "tree";
      readonly id: string;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly plainLength: number;
    };

/** One for each task, in their order. */
export type CopyAnswer =
  | {
      readonly kind: "blobs";
      /** The blobs one behind the other. */
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Of each blob: its sealed length, 0 if it is damaged, and its plain length. */
      readonly places: Uint32Array<ArrayBuffer>;
    }
  /** A tree whose sealed bytes are damaged has no facts. */
  | { readonly kind: "tree"; readonly facts: TreeFacts | null };

export const taskWords = 3;
export const answerWords = 2;
