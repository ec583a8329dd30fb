// Changes single fields in the JSON of a node and leaves all others as they are, also those that are not known.
import type { TreeNode } from "./node.ts";
import { goJsonString } from "./go-json.ts";
import { JsonScanner } from "./json-scanner.ts";

/** The fields of a node that a rewriting may change: all others say what the file was. */
export type NodeEdit = Partial<Pick<TreeNode, "content" | "size" | "subtree">>;

/** The order in which restic writes the fields from `size` on; see node.ts. */
const fieldsFromSize = [
  "size",
  "links",
  "linktarget",
  "linktarget_raw",
  "extended_attributes",
  "generic_attributes",
  "device",
  "content",
  "subtree",
  "error",
] as const;

/** The value of each changed field as JSON; null for one that is left out. */
function editedValues({ content, size, subtree }: NodeEdit): Map<string, string | null> {
  const values = new Map<string, string | null>();
  if (size !== undefined) values.set("size", size === 0n ? null : size.toString());
  if (content !== undefined) values.set("content", content === null ? "null" : JSON.stringify(content));
  if (subtree !== undefined) values.set("subtree", subtree === null ? null : `"${subtree}"`);
  return values;
}

/**
 * `json` is one node, from brace to brace. A field that was not there is put where restic would write it. Times keep
 * their zone, numbers their digits and unknown fields their place, which reading and encoding would lose.
 */
export function editNode(json: Buffer, edit: NodeEdit): Buffer {
  const scanner = new JsonScanner(json, "tree");
  const members: { readonly name: string; readonly value: Buffer }[] = [];
  const left = editedValues(edit);
  scanner.expect(0x7b);
  let name: string | null;
  for (let isFirst = true; (name = scanner.nextMember(isFirst)) !== null; isFirst = false) {
    scanner.peek();
    const start = scanner.position;
    scanner.skipValue();
    const value = left.get(name);
    left.delete(name);
    if (value === null) continue;
    members.push({ name, value: value === undefined ? json.subarray(start, scanner.position) : Buffer.from(value) });
  }
  for (const [added, value] of left) {
    if (value === null) continue;
    const later: readonly string[] = fieldsFromSize.slice(fieldsFromSize.findIndex((field) => field === added) + 1);
    const at = members.findIndex((member) => later.includes(member.name));
    members.splice(at < 0 ? members.length : at, 0, { name: added, value: Buffer.from(value) });
  }
  const pieces = members.flatMap((member, i) => [
    Buffer.from(`${i === 0 ? "{" : ","}${goJsonString(member.name)}:`),
    member.value,
  ]);
  return Buffer.concat([...pieces, Buffer.from("}")]);
}
