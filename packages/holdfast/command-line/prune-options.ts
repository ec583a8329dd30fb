// The options that say how much a prune repacks: restic's, shared by `repo prune` and what prunes after forgetting.

import { HoldfastError, usualPruneRules, type MaxUnused, type PruneRules } from "@holdfast/repository";
import type { Command } from "commander";
import { parseSizeBytes } from "./values/sizes.ts";

export interface PruneRuleOptions {
  maxUnused?: string;
  maxRepackSize?: string;
  repackCacheableOnly?: boolean;
  repackSmall?: boolean;
  repackSmallerThan?: string;
  repackUncompressed?: boolean;
}

/** What `--repack-small` takes for small: four fifths of a full pack, as restic did before it found a limit itself. */
const smallPackBytes = Math.floor((16 * 1024 * 1024 * 4) / 5);

export function addPruneRuleOptions(command: Command): void {
  command
    .option("--max-unused <limit>", "tolerate so much unused data: 5%, a size like 500M, or unlimited (default: 5%)")
    .option("--max-repack-size <size>", "repack at most so much (k, M, G, T); 0: only remove what is wholly unused")
    .option("--repack-cacheable-only", "repack only packs of trees, which the cache keeps")
    .option("--repack-small", "repack packs of less than four fifths of the usual size")
    .option("--repack-smaller-than <size>", "repack packs below this size (k, M)")
    .option("--repack-uncompressed", "compress what is not compressed yet (repository version 2)");
}

/** Throws `usage`. */
export function pruneRulesOf(options: PruneRuleOptions): PruneRules {
  const { maxUnused, maxRepackSize, repackSmallerThan } = options;
  return {
    maxUnused: maxUnused === undefined ? usualPruneRules.maxUnused : parseMaxUnused(maxUnused),
    maxRepackBytes: maxRepackSize === undefined ? Infinity : parseSizeBytes(maxRepackSize, "--max-repack-size"),
    smallPackBytes:
      repackSmallerThan === undefined
        ? options.repackSmall === true
          ? smallPackBytes
          : null
        : parseSmallLimit(repackSmallerThan),
    repackCacheableOnly: options.repackCacheableOnly ?? false,
    repackUncompressed: options.repackUncompressed ?? false,
  };
}

export function parseMaxUnused(text: string): MaxUnused {
  const trimmed = text.trim();
  if (trimmed === "unlimited") return { kind: "unlimited" };
  if (!trimmed.endsWith("%")) return { kind: "bytes", bytes: parseSizeBytes(trimmed, "--max-unused") };
  const percent = /^[0-9]+(\.[0-9]+)?%$/.test(trimmed) ? Number(trimmed.slice(0, -1)) : Number.NaN;
  if (percent < 100) return { kind: "percent", percent };
  throw new HoldfastError("usage", `--max-unused: ${JSON.stringify(text)} is no share below 100%`, {
    hint: "write a share like 5%, a size like 500M, or unlimited",
  });
}

function parseSmallLimit(text: string): number {
  const bytes = parseSizeBytes(text, "--repack-smaller-than");
  if (bytes > 0) return bytes;
  throw new HoldfastError("usage", "--repack-smaller-than must be larger than zero");
}
