// Writes blobs to the targets of a list, as a worker gets it and as the main thread uses it for what workers could not read.
import { HoldfastError } from "../errors.ts";
import type { DirectoryHandle } from "../filesystem/create.ts";
import type { RestoreTools } from "../filesystem/open-entry.ts";
import { OpenEntry } from "../filesystem/open-entry.ts";
import { bytesOf } from "../filesystem/path.ts";
import type { WriteOptions } from "./file-writer.ts";
import { NewFiles, writeContent, writeWhole } from "./file-writer.ts";
import type { SharedDirectory, TargetList, TargetProblem } from "./restore-messages.ts";
import { partTarget, replacingTarget, targetNumbers } from "./restore-messages.ts";

export class TargetWriter {
  readonly problems: TargetProblem[] = [];
  ownersNotSet = 0;
  readonly #list: TargetList;
  readonly #names: readonly string[];
  readonly #xattrs: ReadonlyMap<number, TargetList["xattrs"][number]["xattrs"]>;
  readonly #directories: (DirectoryHandle | undefined)[] = [];
  readonly #newFiles: (NewFiles | undefined)[] = [];
  readonly #open: (directory: SharedDirectory) => DirectoryHandle;
  readonly #tools: RestoreTools;
  readonly #options: WriteOptions;

  /** `open` wraps a descriptor that somebody else closes. */
  constructor(
    list: TargetList,
    open: (directory: SharedDirectory) => DirectoryHandle,
    tools: RestoreTools,
    options: WriteOptions,
  ) {
    this.#list = list;
    this.#names = list.names.split("/");
    this.#xattrs = new Map(list.xattrs.map(({ target, xattrs }) => [target, xattrs]));
    this.#open = open;
    this.#tools = tools;
    this.#options = options;
  }

  /** Failures of one target are put into `problems`; the others go on. */
  write(target: number, content: Buffer): void {
    try {
      if (this.#number(target, 0) === partTarget) this.#writePart(target, content);
      else this.#writeWhole(target, content);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#problem(target, "write", error);
    }
  }

  #writePart(target: number, content: Buffer): void {
    const directory = this.#directory(target);
    const path = Buffer.concat([directory.path, Buffer.from("/"), bytesOf(this.#names[target]!)]);
    const file = new OpenEntry(this.#tools, this.#number(target, 2), path);
    writeContent(file, content, this.#number(target, 3), this.#options.sparse);
  }

  #writeWhole(target: number, content: Buffer): void {
    const xattrs = (this.#xattrs.get(target) ?? []).map(({ name, value }) => ({ name, value: Buffer.from(value) }));
    const file = {
      name: bytesOf(this.#names[target]!),
      replaces: this.#number(target, 0) === replacingTarget,
      metadata: {
        uid: this.#number(target, 4),
        gid: this.#number(target, 5),
        mode: this.#number(target, 6),
        atimeNs: this.#list.times[target * 2]!,
        mtimeNs: this.#list.times[target * 2 + 1]!,
        xattrs,
      },
    };
    const newFiles = (this.#newFiles[this.#number(target, 1)] ??= new NewFiles(this.#tools));
    const result = writeWhole(this.#directory(target), file, content, this.#options, newFiles);
    for (const error of result.errors) this.#problem(target, "metadata", error);
    if (result.ownerRefused) this.ownersNotSet++;
  }

  #directory(target: number): DirectoryHandle {
    const number = this.#number(target, 1);
    return (this.#directories[number] ??= this.#open(this.#list.directories[number]!));
  }

  #number(target: number, which: number): number {
    return this.#list.numbers[target * targetNumbers + which]!;
  }

  #problem(target: number, during: TargetProblem["during"], { code, message, hint, context }: HoldfastError): void {
    this.problems.push({ target, during, error: { code, message, hint, context } });
  }
}
