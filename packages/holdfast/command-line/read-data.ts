// How much of the packs `check` reads: --read-data and --read-data-subset, as restic takes them.

import { HoldfastError, type ReadDataChoice } from "@holdfast/repository";
import { parseSizeBytes } from "./values/sizes.ts";

/** Packs fall into buckets by the first byte of their names. */
const maximumBuckets = 256;

/** `n/t` for the n-th of t parts, `x%` or a size for a random choice. Throws `usage`. */
export function parseReadData(all: boolean, subset: string | undefined): ReadDataChoice {
  if (subset === undefined) return all ? "all" : "none";
  if (all) throw refuse("--read-data and --read-data-subset were given together");
  const [, bucket, of] = /^([0-9]{1,3})\/([0-9]{1,3})$/.exec(subset) ?? [];
  if (bucket !== undefined && of !== undefined) {
    if (Number(bucket) < 1 || Number(bucket) > Number(of) || Number(of) > maximumBuckets) throw refuse(`--read-data-subset: ${JSON.stringify(subset)} is no part of a whole`);
    return { kind: "bucket", bucket: Number(bucket), of: Number(of) };
  }
  const percent = /^([0-9]+(?:\.[0-9]+)?)%$/.exec(subset)?.[1];
  if (percent !== undefined) {
    if (Number(percent) <= 0 || Number(percent) > 100) throw refuse(`--read-data-subset: ${JSON.stringify(subset)} is not more than 0% and at most 100%`);
    return { kind: "share", percent: Number(percent) };
  }
  const bytes = parseSizeBytes(subset, "--read-data-subset");
  if (bytes === 0) throw refuse("--read-data-subset: nothing would be read");
  return { kind: "bytes", bytes };
}

const refuse = (problem: string): HoldfastError =>
  new HoldfastError("usage", problem, { hint: "give --read-data for everything, or a part like 1/5, 2.5% or 10G" });
