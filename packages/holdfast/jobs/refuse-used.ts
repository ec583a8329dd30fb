// Refuses to replace what a program has open.
import { displayPath, HoldfastError } from "@holdfast/repository";
import { processesUsing } from "../restoring/open-files.ts";

/**
 * A program that has a file open goes on with the old one, and what it writes is lost: it has to be stopped first.
 * Throws `target`, naming the program; `thenDo` is what to do when it is stopped.
 */
export async function refuseUsed(paths: readonly Buffer[], thenDo: string): Promise<void> {
  const [first, ...others] = await processesUsing(paths);
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and there are ${others.length} more like it`;
  throw new HoldfastError(
    "target",
    `${displayPath(first.path)} is in use by ${first.command} (process ${first.pid})${more}`,
    { hint: `stop the program, then ${thenDo}` },
  );
}
