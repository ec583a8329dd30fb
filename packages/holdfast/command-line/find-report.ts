// What `holdfast repo find` prints: restic's lines, and restic's JSON, which is one list for all snapshots.

import { createTimeFormatter, parseTime, type StoredSnapshot, type TreeNode } from "@holdfast/repository";
import { toJsonLine } from "./display/json-line.ts";
import { formatMode, nodeLine, type NodeLineOptions } from "./display/node-lines.ts";
import { printableName } from "./display/printable.ts";
import type { Output } from "./output.ts";
import { formatTime } from "./values/times.ts";

/** A blob or a tree that was looked for, at one of its places. */
export interface FoundObject {
  readonly kind: "blob" | "tree";
  readonly id: string;
  readonly path: Buffer;
  /** The tree that holds the file of a blob. */
  readonly parentTree: string | null;
  readonly snapshot: StoredSnapshot;
}

/** Takes what is found in the order of the search; `finish` ends it, and nothing is whole JSON before. */
export interface FindReport {
  match(snapshot: StoredSnapshot, path: Buffer, node: TreeNode): Promise<void>;
  object(found: FoundObject): Promise<void>;
  finish(): Promise<void>;
}

export function findReport(output: Output, options: NodeLineOptions): FindReport {
  return output.json ? new JsonReport(output) : new TextReport(output, options);
}

class TextReport implements FindReport {
  readonly #output: Output;
  readonly #options: NodeLineOptions;
  #snapshot: StoredSnapshot | null = null;

  constructor(output: Output, options: NodeLineOptions) {
    this.#output = output;
    this.#options = options;
  }

  async match(snapshot: StoredSnapshot, path: Buffer, node: TreeNode): Promise<void> {
    if (snapshot !== this.#snapshot) {
      if (this.#snapshot !== null) this.#output.note("");
      this.#output.note(`Found matching entries in snapshot ${snapshot.id.slice(0, 8)} from ${timeOf(snapshot)}`);
      this.#snapshot = snapshot;
    }
    this.#output.line(nodeLine(path, node, this.#options));
  }

  async object({ kind, id, path, parentTree, snapshot }: FoundObject): Promise<void> {
    this.#output.line(`Found ${kind} ${id}`);
    this.#output.line(kind === "blob" ? ` ... in file ${printableName(path)}` : ` ... path ${printableName(path)}`);
    if (parentTree !== null) this.#output.line(`     (tree ${parentTree})`);
    this.#output.line(` ... in snapshot ${snapshot.id.slice(0, 8)} (${timeOf(snapshot)})`);
  }

  async finish(): Promise<void> {}
}

/** What is gathered before it is written. */
const gatherCharacters = 64 * 1024;

class JsonReport implements FindReport {
  readonly #output: Output;
  readonly #formatTimeNs = createTimeFormatter();
  #text = "[";
  #isEmpty = true;
  #snapshot: StoredSnapshot | null = null;
  #hits = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  async match(snapshot: StoredSnapshot, path: Buffer, node: TreeNode): Promise<void> {
    if (snapshot !== this.#snapshot) {
      this.#closeSnapshot();
      this.#text += `${this.#separator()}{"matches":[`;
      this.#snapshot = snapshot;
      this.#hits = 0;
    }
    await this.#write((this.#hits++ > 0 ? "," : "") + toJsonLine(matchJson(path, node, this.#formatTimeNs)));
  }

  async object({ kind, id, path, parentTree, snapshot }: FoundObject): Promise<void> {
    const json = {
      object_type: kind,
      id,
      ...pathJson(path),
      parent_tree: parentTree ?? undefined,
      snapshot: snapshot.id,
      time: snapshot.time,
    };
    await this.#write(this.#separator() + toJsonLine(json));
  }

  async finish(): Promise<void> {
    this.#closeSnapshot();
    this.#text += "]\n";
    await this.#flush();
  }

  #closeSnapshot(): void {
    if (this.#snapshot !== null) this.#text += `],"hits":${this.#hits},"snapshot":"${this.#snapshot.id}"}`;
  }

  #separator(): string {
    const separator = this.#isEmpty ? "" : ",";
    this.#isEmpty = false;
    return separator;
  }

  async #write(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= gatherCharacters) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    await this.#output.write(Buffer.from(text));
  }
}

function timeOf(snapshot: StoredSnapshot): string {
  return formatTime(new Date(Number(parseTime(snapshot.time) / 1_000_000n)));
}

function pathJson(path: Buffer): object {
  const text = path.toString("utf8");
  return { path: text, ...(text.includes("\ufffd") ? { path_base64: path.toString("base64") } : {}) };
}

/** restic's object: the node as it is stored, without name, content and attributes. */
function matchJson(path: Buffer, node: TreeNode, formatTimeNs: (time: bigint) => string): object {
  return {
    ...pathJson(path),
    permissions: formatMode(node.mode),
    type: node.type,
    mode: node.mode || undefined,
    mtime: formatTimeNs(node.mtime),
    atime: formatTimeNs(node.atime),
    ctime: formatTimeNs(node.ctime),
    uid: node.uid,
    gid: node.gid,
    user: node.user || undefined,
    group: node.group || undefined,
    inode: node.inode || undefined,
    device_id: node.deviceId || undefined,
    size: node.size || undefined,
    links: node.links || undefined,
    linktarget: node.linkTarget?.toString("utf8"),
    error: node.error || undefined,
  };
}
