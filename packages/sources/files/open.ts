// Looks at the paths of a files source and says what of them goes into the snapshot.
import { lstat } from "node:fs/promises";
import { HoldfastError, Selection, selectEverything, type SelectionRules } from "@holdfast/repository";
import type { OpenSource, Preflight } from "../source.ts";
import type { FilesOptions } from "./options.ts";

interface Found {
  readonly present: readonly string[];
  readonly warnings: readonly string[];
}

/** Sizes of folders are not summed up: that would cost as much as the capture. */
export async function preflightFiles(options: FilesOptions): Promise<Preflight> {
  rulesOf(options); // a malformed pattern is refused here
  const { present, warnings } = await find(options);
  return { present: present.length > 0, sizeBytes: null, warnings };
}

/** Nothing is pinned: files are read one by one while others may write them. */
export async function openFiles(options: FilesOptions): Promise<OpenSource> {
  const { present, warnings } = await find(options);
  if (present.length === 0) {
    throw new HoldfastError("source", `nothing is there: ${warnings.join("; ")}`, {
      hint: "check the paths in the configuration, or mark the source as optional",
    });
  }
  const selection = rulesOf(options);
  return {
    pinnedAtNs: null,
    consistency: "crash",
    entries: present.map((path) => ({ kind: "files", path: Buffer.from(path), selection })),
    warnings,
    // What must come back is recorded entry by entry, in the tree of the snapshot itself.
    witness: () => Promise.resolve({ exact: true, facts: {}, damage: [] }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function rulesOf(options: FilesOptions): SelectionRules {
  const rules = { ...selectEverything, exclude: options.exclude };
  // Made only to be refused early when a pattern is malformed.
  void new Selection(rules);
  return rules;
}

async function find(options: FilesOptions): Promise<Found> {
  const present: string[] = [];
  const warnings: string[] = [];
  for (const path of options.paths) {
    try {
      await lstat(path);
      present.push(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") present.push(path); // let the reader say what is wrong with it
      else warnings.push(`${path} does not exist`);
    }
  }
  return { present, warnings };
}
