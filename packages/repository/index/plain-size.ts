// How many bytes a blob has once it is opened, told from its place in the index.
import { sealOverheadBytes } from "../codec/seal.ts";
import type { BlobLocation } from "./blob-index.ts";

export function plainSizeBytes({ plainLength, lengthBytes }: BlobLocation): number {
  // Zero stands for a blob that is not compressed.
  return plainLength || lengthBytes - sealOverheadBytes;
}
