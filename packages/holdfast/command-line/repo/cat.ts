// `holdfast repo cat`: prints what the repository holds inside, decrypted.

import {
  encodeMasterKey,
  findByPrefix,
  findTree,
  HoldfastError,
  loadPack,
  parseKeyFile,
  type FileType,
  type Repository,
} from "@holdfast/repository";
import type { Command } from "commander";
import type { Context, Verb } from "../context.ts";
import { toJsonText } from "../display/json-line.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import { openSession } from "../session.ts";
import { addSnapshotOptions, oneSnapshot, type SnapshotOptions } from "../snapshot-options.ts";
import { requireWords } from "../words.ts";

type Printer = (context: Context, repository: Repository, id: string, options: SnapshotOptions) => Promise<void>;

const printers: Readonly<Record<string, Printer>> = {
  config: async (context, repository) => {
    const { version, id, chunkerPolynomial } = repository.config;
    context.output.line(toJsonText({ version, id, chunker_polynomial: chunkerPolynomial.toString(16) }));
  },
  masterkey: async (context, repository) =>
    context.output.line(toJsonText(JSON.parse(encodeMasterKey(repository.masterKey)))),
  snapshot: async (context, repository, name, options) => {
    const { snapshot } = await oneSnapshot(context, repository, name, options);
    printJson(context, await repository.loadUnpacked("snapshot", snapshot.id));
  },
  index: async (context, repository, id) =>
    printJson(context, await repository.loadUnpacked("index", await wholeId(repository, "index", id))),
  lock: async (context, repository, id) =>
    printJson(context, await repository.loadUnpacked("lock", await wholeId(repository, "lock", id))),
  key: async (context, repository, id) => {
    const bytes = await repository.storage.read("key", await wholeId(repository, "key", id));
    // Read first, so that damage is named and never printed.
    parseKeyFile(bytes);
    printJson(context, bytes);
  },
  pack: async (context, repository, id) =>
    context.output.write(await loadPack(repository, await wholeId(repository, "pack", id))),
  blob: async (context, repository, id) => context.output.write(await loadAnyBlob(repository, id)),
  tree: async (context, repository, name, options) => {
    const { snapshot, subfolder } = await oneSnapshot(context, repository, name, options);
    await context.output.write(await repository.loadBlob("tree", await findTree(repository, snapshot.tree, subfolder)));
  },
};

export const cat: Verb<SnapshotOptions> = {
  describe(command: Command): void {
    command.description(
      "Print an object of the repository: config, masterkey, snapshot, index, key, lock (as JSON),\n" +
        "tree (of a snapshot, or of a folder in it), blob or pack (as bytes).",
    );
    addSnapshotOptions(command, "of `latest`");
    command.addHelpText(
      "after",
      "\nExamples:\n  $ holdfast repo cat config\n  $ holdfast repo cat snapshot latest\n  $ holdfast repo cat tree latest:/etc\n",
    );
  },

  async run(context: Context, words: readonly string[], options: SnapshotOptions): Promise<ExitCode> {
    const kinds = Object.keys(printers).join(", ");
    requireWords(words, 1, 2, `the kind of object (${kinds}) and its id`);
    const [kind = "", id] = words;
    const print = printers[kind];
    if (print === undefined)
      throw new HoldfastError("usage", `${JSON.stringify(kind)} is no kind of object`, {
        hint: `give one of ${kinds}`,
      });
    const alone = kind === "config" || kind === "masterkey";
    if (!alone && id === undefined) throw new HoldfastError("usage", `the id of the ${kind} is missing`);
    await using session = await openSession(context, "shared");
    await print(context, session.repository, id ?? "", options);
    return exitCodes.done;
  },
};

function printJson(context: Context, json: Buffer): void {
  // Pretty where that is safe: numbers beyond 2^53 would lose digits on the way.
  const text = json.toString("utf8").trimEnd();
  context.output.line(/[0-9]{16}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, "")) ? text : toJsonText(JSON.parse(text)));
}

async function wholeId(repository: Repository, type: FileType, beginning: string): Promise<string> {
  if (/^[0-9a-f]{64}$/.test(beginning)) return beginning;
  const names: string[] = [];
  for await (const file of repository.storage.list(type)) names.push(file.name);
  return findByPrefix(names, beginning, type);
}

async function loadAnyBlob(repository: Repository, id: string): Promise<Buffer> {
  const index = await repository.loadIndex();
  if (!/^[0-9a-f]{64}$/.test(id))
    throw new HoldfastError("usage", `${JSON.stringify(id)} is no id`, { hint: "give all 64 digits of the blob's id" });
  const type = (["data", "tree"] as const).find((kind) => index.has(Buffer.from(id, "hex"), kind));
  if (type === undefined)
    throw new HoldfastError("not-found", `there is no blob ${id}`, { hint: "see `holdfast repo list blobs`" });
  return repository.loadBlob(type, id);
}
