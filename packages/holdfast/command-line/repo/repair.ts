// `holdfast repo repair`: puts a damaged index, packs, snapshots or config right, as far as what is there allows.

import { HoldfastError } from "@holdfast/repository";
import type { Command } from "commander";
import type { ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { addSnapshotOptions, type SnapshotOptions } from "../snapshot-options.ts";
import { repairConfig } from "./repair-config.ts";
import { repairIndex } from "./repair-index.ts";
import { repairPacks } from "./repair-packs.ts";
import { repairSnapshots } from "./repair-snapshots.ts";

export interface RepairOptions extends SnapshotOptions {
  readAllPacks?: boolean;
  forget?: boolean;
  dryRun?: boolean;
}

export type RepairAction = (context: Context, words: readonly string[], options: RepairOptions) => Promise<ExitCode>;

/** What can be repaired, and the options beside --dry-run that have a meaning for it. */
const actions: Readonly<Record<string, { run: RepairAction; options: readonly (keyof RepairOptions)[] }>> = {
  index: { run: repairIndex, options: ["readAllPacks"] },
  packs: { run: repairPacks, options: [] },
  snapshots: { run: repairSnapshots, options: ["forget", "host", "tag", "path"] },
  config: { run: repairConfig, options: [] },
};

export const repair: Verb<RepairOptions> = {
  describe(command: Command): void {
    command
      .description(
        "Repair a damaged repository. Run `check --read-data` first: it says what is needed, and in which order.",
      )
      .option("--read-all-packs", "index: read the headers of all packs, not only of those that do not fit the index")
      .option("--forget", "snapshots: remove the old snapshots once their new forms are stored")
      .option("-n, --dry-run", "change nothing, only say what would be done");
    addSnapshotOptions(command, "of the list");
    command.addHelpText(
      "after",
      `
  repair index             make the index fit the packs; nothing is lost by it
  repair packs ID...       save what can be read of damaged packs, then remove them
  repair snapshots [ID...] take what is lost out of snapshots, so that the rest can be used again
  repair config            make a new config for a repository that lost its own

A backup of the same files heals more than any repair: run one after \`repair index\` and \`repair packs\`, and
\`repair snapshots\` only for what is damaged still. See docs/guide/damage.md.
`,
    );
  },

  async run(context: Context, words: readonly string[], options: RepairOptions): Promise<ExitCode> {
    const names = Object.keys(actions).join(", ");
    const [name = "", ...rest] = words;
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) {
      throw new HoldfastError(
        "usage",
        name === "" ? "what to repair is missing" : `${JSON.stringify(name)} is nothing that can be repaired`,
        { hint: `give one of ${names}` },
      );
    }
    for (const option of Object.keys(options) as (keyof RepairOptions)[]) {
      if (option === "dryRun" || action.options.includes(option)) continue;
      const flag = `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw new HoldfastError("usage", `${flag} has no meaning for \`repair ${name}\``, { hint: "leave it out" });
    }
    if (context.globals.noLock && options.dryRun !== true) {
      throw new HoldfastError("usage", "--no-lock goes with --dry-run only", {
        hint: "leave --no-lock out: repairing needs the repository alone",
      });
    }
    return action.run(context, rest, options);
  },
};
