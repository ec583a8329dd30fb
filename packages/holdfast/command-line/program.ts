// The commands and their options, with commander. Only the verb that is meant is loaded.

import { Command, CommanderError } from "commander";
import type { Verb } from "./context.ts";
import { addGlobalOptions } from "./global-options.ts";
import { overview, repoOverview } from "./overview.ts";

/** A verb with what stands on the command line for it. */
export interface Invocation {
  readonly verb: Verb;
  readonly words: readonly string[];
  readonly options: object;
  readonly globals: object;
}

interface VerbEntry {
  readonly name: string;
  /** What stands behind the name in help texts. */
  readonly usage: string;
  readonly summary: string;
  readonly load: () => Promise<Verb>;
}

const topVerbs: readonly VerbEntry[] = [
  {
    name: "init",
    usage: "",
    summary: "write a first configuration, with a key and a repository",
    load: async () => (await import("./stack/init.ts")).init,
  },
  {
    name: "config",
    usage: "<check|show|schema> [stack]",
    summary: "check or show the configuration",
    load: async () => (await import("./stack/config.ts")).config,
  },
  {
    name: "backup",
    usage: "[stack...]",
    summary: "capture stacks, each as one recovery point",
    load: async () => (await import("./stack/backup.ts")).backupVerb,
  },
  {
    name: "restore",
    usage: "<stack|snapshot>",
    summary: "bring a recovery point back",
    load: async () => (await import("./stack/restore.ts")).restoreVerb,
  },
  {
    name: "undo",
    usage: "<stack>",
    summary: "take the latest restore in place back",
    load: async () => (await import("./stack/undo.ts")).undoVerb,
  },
  {
    name: "drill",
    usage: "[stack...]",
    summary: "prove that recovery points come back",
    load: async () => (await import("./stack/drill.ts")).drillVerb,
  },
  {
    name: "snapshots",
    usage: "[stack...]",
    summary: "list the recovery points of stacks",
    load: async () => (await import("./stack/snapshots.ts")).snapshots,
  },
  {
    name: "ls",
    usage: "<stack|snapshot> [path]",
    summary: "list the sources and files of a recovery point",
    load: async () => (await import("./stack/ls.ts")).ls,
  },
  {
    name: "status",
    usage: "[stack...]",
    summary: "show what ran, is stored, verified, proven and overdue",
    load: async () => (await import("./stack/status.ts")).status,
  },
  {
    name: "check",
    usage: "[stack...]",
    summary: "look for damage in the recovery points of stacks",
    load: async () => (await import("./stack/check.ts")).checkVerb,
  },
  {
    name: "prune",
    usage: "[stack...]",
    summary: "remove the recovery points that plans do not keep",
    load: async () => (await import("./stack/prune.ts")).prune,
  },
  {
    name: "runs",
    usage: "[stack...]",
    summary: "list what was done on this host",
    load: async () => (await import("./stack/runs.ts")).runs,
  },
  {
    name: "pin",
    usage: "<snapshot>",
    summary: "keep a recovery point until the pin is removed",
    load: async () => (await import("./stack/pin.ts")).pin,
  },
  {
    name: "hold",
    usage: "<snapshot>",
    summary: "keep a recovery point until a day",
    load: async () => (await import("./stack/hold.ts")).hold,
  },
  {
    name: "key",
    usage: "<list|check|add|remove|passwd|rotate|export> <repository> [id]",
    summary: "manage the passwords and the master key of a repository",
    load: async () => (await import("./stack/key.ts")).key,
  },
  {
    name: "demo",
    usage: "[path...]",
    summary: "see an application lose its data four times, and get it back",
    load: async () => (await import("../demo/demo.ts")).demo,
  },
];

const repoVerbs: readonly VerbEntry[] = [
  {
    name: "init",
    usage: "",
    summary: "make a new repository",
    load: async () => (await import("./repo/init.ts")).init,
  },
  {
    name: "backup",
    usage: "[path...]",
    summary: "store files, or a stream, as a new snapshot",
    load: async () => (await import("./repo/backup.ts")).backupVerb,
  },
  {
    name: "snapshots",
    usage: "[snapshot...]",
    summary: "list the snapshots",
    load: async () => (await import("./repo/snapshots.ts")).snapshots,
  },
  {
    name: "ls",
    usage: "<snapshot> [folder...]",
    summary: "list the files of a snapshot",
    load: async () => (await import("./repo/ls.ts")).ls,
  },
  {
    name: "restore",
    usage: "<snapshot>",
    summary: "bring the files of a snapshot back into a folder",
    load: async () => (await import("./repo/restore.ts")).restoreVerb,
  },
  {
    name: "dump",
    usage: "<snapshot> <path>",
    summary: "print a file, or a folder as an archive",
    load: async () => (await import("./repo/dump.ts")).dumpVerb,
  },
  {
    name: "diff",
    usage: "<snapshot> <snapshot>",
    summary: "show what differs between two snapshots",
    load: async () => (await import("./repo/diff.ts")).diffVerb,
  },
  {
    name: "copy",
    usage: "[snapshot...]",
    summary: "copy snapshots from another repository",
    load: async () => (await import("./repo/copy.ts")).copyVerb,
  },
  {
    name: "check",
    usage: "",
    summary: "look for damage",
    load: async () => (await import("./repo/check.ts")).checkVerb,
  },
  {
    name: "forget",
    usage: "[snapshot...]",
    summary: "remove snapshots, by name or by rules",
    load: async () => (await import("./repo/forget.ts")).forget,
  },
  {
    name: "find",
    usage: "<pattern...>",
    summary: "find files, or blobs, trees and packs, in all snapshots",
    load: async () => (await import("./repo/find.ts")).findVerb,
  },
  {
    name: "tag",
    usage: "[snapshot...]",
    summary: "change the tags of snapshots",
    load: async () => (await import("./repo/tag.ts")).tagVerb,
  },
  {
    name: "rewrite",
    usage: "[snapshot...]",
    summary: "make snapshots anew without certain files, or with another host or time",
    load: async () => (await import("./repo/rewrite.ts")).rewriteVerb,
  },
  {
    name: "prune",
    usage: "",
    summary: "remove data that no snapshot needs",
    load: async () => (await import("./repo/prune.ts")).prune,
  },
  {
    name: "cat",
    usage: "<kind> [id]",
    summary: "print what the repository holds inside",
    load: async () => (await import("./repo/cat.ts")).cat,
  },
  {
    name: "list",
    usage: "<kind>",
    summary: "list blobs, packs, index files, snapshots, keys or locks",
    load: async () => (await import("./repo/list.ts")).list,
  },
  {
    name: "stats",
    usage: "[snapshot...]",
    summary: "count files, blobs and bytes",
    load: async () => (await import("./repo/stats.ts")).statsVerb,
  },
  {
    name: "key",
    usage: "<list|check|add|remove|passwd|rotate> [id]",
    summary: "manage the passwords and the master key",
    load: async () => (await import("./repo/key.ts")).key,
  },
  {
    name: "unlock",
    usage: "",
    summary: "remove locks that dead processes left behind",
    load: async () => (await import("./repo/unlock.ts")).unlockVerb,
  },
  {
    name: "repair",
    usage: "<index|packs|snapshots|config> [id...]",
    summary: "put a damaged repository right",
    load: async () => (await import("./repo/repair.ts")).repair,
  },
  {
    name: "recover",
    usage: "",
    summary: "gather in a new snapshot what no snapshot reaches",
    load: async () => (await import("./repo/recover.ts")).recover,
  },
];

export interface ProgramParts {
  readonly words: readonly string[];
  readonly version: string;
  readonly stdout: { write(text: string): unknown };
}

/**
 * Parses the command line; null where a help text or the version was printed instead. Throws CommanderError.
 * What stands behind `--` is never taken for an option.
 */
export async function parseCommandLine(parts: ProgramParts): Promise<Invocation | null> {
  const dashes = parts.words.indexOf("--");
  const words = dashes < 0 ? parts.words : parts.words.slice(0, dashes);
  const behindDashes = dashes < 0 ? [] : parts.words.slice(dashes + 1);
  const program = new Command("holdfast");
  let invocation: Invocation | undefined;
  program
    .description("Backups that prove they restore.")
    // Before the verb it belongs to the program; behind it to the verb, where -c may mean something else.
    .enablePositionalOptions()
    .option("-c, --config <file>", "the configuration of the verbs that work on stacks; may stand behind the verb too")
    .version(parts.version, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => parts.stdout.write(text), writeErr: () => {}, outputError: () => {} })
    .configureHelp({ subcommandTerm })
    .addHelpText("after", overview);
  const addVerb = async (parent: Command, entry: VerbEntry, globals?: () => object): Promise<void> => {
    const command = parent
      .command(entry.name)
      .usage(`[options] ${entry.usage}`.trim())
      .summary(entry.summary)
      .description(entry.summary);
    command
      .configureHelp({ showGlobalOptions: globals !== undefined })
      .allowExcessArguments()
      .argument("[words...]");
    // The word may be a path or a value of the same name: then one verb too many is loaded, and no harm done.
    if (!words.includes(entry.name)) return;
    const verb = await entry.load();
    verb.describe(command);
    command.action(() => {
      if (globals !== undefined && program.opts()["config"] !== undefined) {
        program.error("option '-c, --config <file>' is for verbs that work on stacks, not for repo");
      }
      const options = globals === undefined ? { ...program.opts(), ...command.opts() } : command.opts();
      // Verbs outside of `repo` name those that they share among their own.
      invocation = { verb, words: [...command.args, ...behindDashes], options, globals: globals?.() ?? options };
    });
  };
  for (const entry of topVerbs) await addVerb(program, entry);
  const repo = program
    .command("repo")
    // Its own options may stand behind the verb.
    .enablePositionalOptions(false)
    .summary("work on one repository")
    .description("Work on one repository, with the verbs and options of restic.");
  addGlobalOptions(repo);
  // The verbs are the news here; their own help texts list these options too.
  repo
    .configureHelp({ visibleOptions: () => [], subcommandTerm })
    .usage("<verb> [options]")
    .helpCommand(false);
  repo.addHelpText("after", repoOverview);
  for (const entry of repoVerbs) await addVerb(repo, entry, () => repo.opts());
  try {
    await program.parseAsync(spreadVerbosity(words), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Without a verb: the overview is the answer.
    if (error.code === "commander.help") (words[0] === "repo" ? repo : program).outputHelp();
    else if (error.exitCode !== 0) throw error;
    return null;
  }
  return invocation ?? null;
}

/** A verb in the list of verbs: each takes options, which need not be said each time. */
function subcommandTerm(verb: Command): string {
  return `${verb.name()} ${verb.usage().replace("[options]", "").trim()}`.trim();
}

/** `--verbose=2` is `-v -v`. */
function spreadVerbosity(words: readonly string[]): string[] {
  return words.flatMap((word) => {
    const level = /^--verbose=([0-9])$/.exec(word)?.[1];
    return level === undefined ? [word] : Array.from({ length: Number(level) }, () => "--verbose");
  });
}
