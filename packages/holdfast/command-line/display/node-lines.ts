// Entries of a snapshot as lines for people and objects for programs: restic's notation.

import type { TreeNode } from "@holdfast/repository";
import { formatTime } from "../values/times.ts";
import { formatBytes } from "../../display/amounts.ts";
import { printableName } from "./printable.ts";

/** Letters of the bits 31 down to 19 of Go's file mode. */
const modeLetters = "dalTLDpSugct?";

/** `drwxr-xr-x`, `-rw-r--r--`, `Lrwxrwxrwx`, `urwxr-xr-x`: as Go prints a file mode. */
export function formatMode(goMode: number): string {
  let letters = "";
  for (let index = 0; index < modeLetters.length; index++) {
    if ((goMode & (1 << (31 - index))) !== 0) letters += modeLetters.charAt(index);
  }
  let permissions = "";
  for (let bit = 8; bit >= 0; bit--) permissions += (goMode & (1 << bit)) !== 0 ? "rwx".charAt((8 - bit) % 3) : "-";
  return (letters === "" ? "-" : letters) + permissions;
}

export interface NodeLineOptions {
  readonly long: boolean;
  readonly humanReadable: boolean;
}

/** One line of `ls`. `path` is raw. */
export function nodeLine(path: Buffer, node: TreeNode, options: NodeLineOptions): string {
  const name = printableName(path);
  if (!options.long) return name;
  const sizeBytes = node.type === "file" ? node.size : 0n;
  const size = options.humanReadable ? formatBytes(Number(sizeBytes)) : String(sizeBytes).padStart(6);
  const owner = `${String(node.uid).padStart(5)} ${String(node.gid).padStart(5)}`;
  const time = formatTime(new Date(Number(node.mtime / 1_000_000n)));
  const target = node.linkTarget === null ? "" : ` -> ${printableName(node.linkTarget)}`;
  return `${formatMode(node.mode)} ${owner} ${size} ${time} ${name}${target}`;
}

/** restic's object, with `path_base64` where the path is not UTF-8. */
export function nodeJson(path: Buffer, node: TreeNode, formatTimeNs: (time: bigint) => string): object {
  const text = path.toString("utf8");
  return {
    name: node.name.toString("utf8"),
    type: node.type,
    path: text,
    ...(text.includes("\ufffd") ? { path_base64: path.toString("base64") } : {}),
    uid: node.uid,
    gid: node.gid,
    ...(node.type === "file" ? { size: node.size } : {}),
    mode: node.mode,
    permissions: formatMode(node.mode),
    mtime: formatTimeNs(node.mtime),
    atime: formatTimeNs(node.atime),
    ctime: formatTimeNs(node.ctime),
    ...(node.inode === 0n ? {} : { inode: node.inode }),
    message_type: "node",
    struct_type: "node",
  };
}
