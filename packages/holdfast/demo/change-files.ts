// Changes a copied tree as a day of work would: edits, deletes, adds, renames, and sets other modes.

import {
  appendFileSync,
  chmodSync,
  closeSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { bytesOf, parentOf, type RawPath } from "../filesystem/raw-path.ts";
import type { TreeFacts } from "./tree-facts.ts";

export interface Changes {
  readonly edited: number;
  readonly deleted: number;
  readonly added: number;
  readonly renamed: number;
  readonly modesChanged: number;
}

const wanted = 12;
const kinds = ["edited", "deleted", "renamed", "modesChanged"] as const;

/** Changes up to twelve files of each kind, spread over the tree; fewer where there are fewer files. */
export function changeFiles(root: RawPath, facts: TreeFacts): Changes {
  const counts = { edited: 0, deleted: 0, added: 0, renamed: 0, modesChanged: 0 };
  for (const [turn, path] of chosenFiles(facts).entries()) {
    const kind = kinds[turn % kinds.length] ?? "edited";
    const { mode, sizeBytes } = facts.get(path) ?? { mode: 0, sizeBytes: 0n };
    const file = bytesOf(`${root}/${path}`);
    if (kind === "edited") edit(file, sizeBytes);
    else if (kind === "deleted") unlinkSync(file);
    else if (kind === "renamed")
      renameSync(file, bytesOf(`${root}/${parentOf(`/${path}`).slice(1)}/renamed by the demo ${turn}`));
    else chmodSync(file, mode ^ 0o020);
    counts[kind]++;
  }
  for (; counts.added < wanted; counts.added++) {
    const file = bytesOf(`${root}/added by the demo ${counts.added}`);
    writeFileSync(file, `file ${counts.added}\n`.repeat(1000 * counts.added), { mode: 0o644 });
  }
  return counts;
}

/** Files that this process may change, evenly spread. */
function chosenFiles(facts: TreeFacts): RawPath[] {
  const isRoot = process.getuid?.() === 0;
  const ownerWrites = (mode: number | undefined): boolean => isRoot || ((mode ?? 0) & 0o200) !== 0;
  const files = [...facts]
    .filter(([, { type }]) => type === "file")
    .filter(([path, { mode }]) => ownerWrites(mode) && ownerWrites(facts.get(parentOf(`/${path}`).slice(1))?.mode))
    .map(([path]) => path);
  const count = Math.min(files.length, wanted * kinds.length);
  return Array.from({ length: count }, (_, turn) => files[Math.floor((turn * files.length) / count)] ?? "");
}

/** In the middle where there is one, so that the rest of a large file must be found again; else at the end. */
function edit(file: Buffer, sizeBytes: bigint): void {
  const text = "changed by the demo\n";
  if (sizeBytes < 1000n) return appendFileSync(file, text);
  const descriptor = openSync(file, "r+");
  try {
    writeSync(descriptor, text, Number(sizeBytes / 2n));
  } finally {
    closeSync(descriptor);
  }
}
