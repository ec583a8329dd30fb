// Sizes as people write them on a command line.

import { HoldfastError } from "@holdfast/repository";

const units: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `500`, `500b`, `10k`, `3M`, `2G`, `1T` (powers of 1024, as restic) in bytes. `option` names the culprit. */
export function parseSizeBytes(text: string, option: string): number {
  const found = /^([0-9]+)([bkmgt]?)$/i.exec(text);
  const sizeBytes = Number(found?.[1]) * (units[(found?.[2] ?? "").toLowerCase()] ?? Number.NaN);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  throw new HoldfastError("usage", `${option}: ${JSON.stringify(text)} is not a size`, {
    hint: "write a whole number of bytes, or one with k, M, G or T behind it",
  });
}

/** A whole number that is not negative. */
export function parseCount(text: string, option: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new HoldfastError("usage", `${option}: ${JSON.stringify(text)} is not a whole number`);
}
