// `holdfast repo recover`: gathers in a new snapshot what no snapshot reaches.

import { applyRecover, planRecover } from "@holdfast/repository";
import type { Command } from "commander";
import { identityOfProcess } from "../../access/identity.ts";
import { formatCount } from "../../display/amounts.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { openForRepair, RepairProgress } from "../repair-session.ts";
import { requireWords } from "../words.ts";
import { repairIndexOf } from "./repair-index.ts";

interface RecoverOptions {
  dryRun?: boolean;
}

export const recover: Verb<RecoverOptions> = {
  describe(command: Command): void {
    command
      .description("Gather all directories that no snapshot reaches in a new snapshot, with the tag `recovered`.")
      .option("-n, --dry-run", "change nothing, only say what would be done")
      .addHelpText(
        "after",
        `
For a snapshot that was removed by mistake, or whose file was lost, as long as nothing was pruned. The index is made
whole first. In the new snapshot each of these directories has the beginning of its tree's id as its name.
`,
      );
  },

  async run(context: Context, words: readonly string[], options: RecoverOptions): Promise<ExitCode> {
    requireWords(words, 0, 0, "");
    const { output } = context;
    const dryRun = options.dryRun ?? false;
    await using session = await openForRepair(context, dryRun);
    const { repository, signal, mayWrite } = session;
    const { isNeeded } = await repairIndexOf(context, session, { dryRun, readAllPacks: false });
    if (isNeeded && dryRun)
      output.warn("the index would be repaired first; what it does not know yet is not counted here");
    using progress = new RepairProgress(context);
    const plan = await planRecover(repository, { signal, onProgress: (done) => progress.update("trees", done, null) });
    for (const { id, error } of plan.unreadable) output.itemError(`tree ${id.slice(0, 8)}`, "load", error);
    const exitCode = plan.unreadable.length > 0 ? exitCodes.partial : exitCodes.done;
    const { hostname, username, uid, gid } = identityOfProcess();
    const timeNs = BigInt(context.now().getTime()) * 1_000_000n;
    const facts = { hostname, username, uid, gid, timeNs, programVersion: context.programVersion };
    const snapshotId = dryRun ? null : await applyRecover(repository, plan, facts, { mayWrite, signal });
    if (output.json) {
      output.jsonLine({
        message_type: "summary",
        dry_run: dryRun,
        trees: plan.trees,
        trees_unreadable: plan.unreadable.length,
        roots: plan.roots,
        snapshot_id: snapshotId,
      });
      return exitCode;
    }
    output.note(`found ${formatCount(plan.roots.length, "unreferenced root")}`);
    for (const id of plan.roots) output.detail(`found root tree ${id.slice(0, 8)}`);
    if (snapshotId !== null) output.line(`saved new snapshot ${snapshotId.slice(0, 8)}`);
    else output.note(dryRun && plan.roots.length > 0 ? "would save a new snapshot" : "no snapshot to write.");
    return exitCode;
  },
};
