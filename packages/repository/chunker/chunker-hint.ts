// How a file is to be cut, as data that goes to workers, and the chunker that does it.

import type { Region } from "../kernel/arena.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Chunker } from "./chunker.ts";
import { PageChunker } from "./page-chunker.ts";
import { fileLimits, RabinChunker, smallLimits } from "./rabin-chunker.ts";

/** `rabin`: as restic cuts files. `small`: content-defined too, but shorter. `pages`: runs by position. */
export type ChunkerHint =
  | { readonly kind: "rabin" }
  | { readonly kind: "small" }
  | { readonly kind: "pages"; readonly runBytes: number; readonly doublesAtBytes: number };

/** The chunker for `hint`: for one file, when it is for pages. `tables` are those of the repository's polynomial, in the kernel's memory. */
export function chunkerFor(hint: ChunkerHint, kernel: Kernel, tables: Region): Chunker {
  if (hint.kind === "pages") return new PageChunker(hint.runBytes, hint.doublesAtBytes);
  return new RabinChunker(kernel, tables, hint.kind === "small" ? smallLimits : fileLimits);
}
