// What the first job of a stack after a crash does: finishes or takes back what was under way, and clears up.
import { displayPath } from "@holdfast/repository";
import { z } from "zod";
import { rawPath } from "../filesystem/raw-path.ts";
import { removeTree } from "../filesystem/remove-tree.ts";
import { decodeRawPath, encodeRawPath, rawPathSchema } from "../records/raw-path.ts";
import { removeStaleStaging } from "../restoring/staging-directory.ts";
import { fileOperations } from "../state/file-operations.ts";
import type { IntentHandle } from "../state/journal.ts";
import { isRunning } from "../state/process-identity.ts";
import { directoryOf } from "../swap/raw-names.ts";
import { recover, type SwapContext } from "../swap/swap.ts";
import { UndoRecords } from "../swap/undo-records.ts";
import type { JobContext } from "./job-context.ts";

const copiesKind = "copies";
const copiesSchema = z.array(rawPathSchema);

export function swapContextOf({ state, now }: JobContext): SwapContext {
  const undoRecords = new UndoRecords(state.undoDirectory, fileOperations);
  return { journal: state.journal, undoRecords, files: fileOperations, now };
}

/** Restored copies that nobody may take for whole before the job has compared them: removed after a crash. */
export function recordCopies(context: JobContext, stack: string, copies: readonly Buffer[]): Promise<IntentHandle> {
  return context.state.journal.record({ kind: copiesKind, stack, details: copies.map(encodeRawPath) });
}

/** Throws `target` or `damaged` when what is on the disk cannot be told for certain. The caller holds the stack's lock. */
export async function recoverStack(stack: string, context: JobContext): Promise<void> {
  const { recovered, unreadable } = await recover(swapContextOf(context), stack);
  for (const { error } of unreadable) context.warn(`the journal of this host: ${error.message}`);
  for (const { outcome, purpose, places } of recovered) {
    const what = purpose === "replace" ? "restore in place" : "undo";
    const at = places.map(({ path }) => displayPath(path)).join(", ");
    context.warn(`an interrupted ${what} of ${stack} was ${outcome}: ${at}`);
  }
  for (const intent of (await context.state.journal.pending()).intents) {
    if (intent.kind !== copiesKind || intent.stack !== stack) continue;
    const copies = copiesSchema.parse(intent.details).map(decodeRawPath);
    for (const copy of copies) await removeTree(rawPath(copy));
    await removeStaleStaging(copies.map(directoryOf), isRunning);
    await intent.done();
    context.warn(`unfinished copies of an interrupted restore of ${stack} were removed`);
  }
}
