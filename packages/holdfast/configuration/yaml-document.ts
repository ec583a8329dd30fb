// Reads YAML 1.2 strictly, as plain data, and remembers where each value stands.

import { isUtf8 } from "node:buffer";
import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { Document, Node, Pair, YAMLError } from "yaml";
import type { FieldPath, Position, Problem } from "./problem.ts";

export interface YamlDocument {
  /** Maps, lists, text, numbers, true, false, null. Undefined when there are problems. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The place of a value, or of its key; of the nearest thing around it when it is not there. */
  locate(path: FieldPath, atKey?: boolean): Position;
}

/** Larger files are no configuration. */
const maximumBytes = 2 ** 20;
const maximumDepth = 40;
const tooDeep = "nests too deeply";
/** How many values aliases may stand for: more is an attack on the memory. */
const maximumAliases = 100;

const plainWords: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "this key stands twice in the same map",
  TAB_AS_INDENT: "a tab cannot indent YAML: use spaces",
  MULTIPLE_DOCS: "the file holds more than one YAML document",
};

export function parseYaml(bytes: Buffer, file: string): YamlDocument {
  const refusal = refusalOf(bytes);
  if (refusal !== null) return refused(file, refusal);
  const text = bytes.toString("utf8").replace(/^\ufeff/, "");
  const lines = new LineCounter();
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  let document: Document.Parsed;
  try {
    // Excerpts of the file in messages might show what nobody should read.
    document = parseDocument(text, { version: "1.2", schema: "core", lineCounter: lines, prettyErrors: false });
  } catch (error) {
    if (error instanceof RangeError) return refused(file, tooDeep);
    throw error;
  }
  const locate = (path: FieldPath, atKey = false): Position => at(offsetOf(document, path, atKey));
  if (document.errors.some(({ message }) => message.startsWith("Maximum call stack"))) return refused(file, tooDeep);
  const errors = syntaxErrors(document).map((error) => problemOf(error, text, at));
  if (errors.length === 0) errors.push(...unwelcome(document, at));
  if (errors.length > 0) return { value: undefined, problems: errors, locate };
  if (document.contents === null) return refused(file, "is empty");
  const value = plainValue(document);
  if (typeof value === "string") return refused(file, value);
  return { value: value.data, problems: [], locate };
}

function refusalOf(bytes: Buffer): string | null {
  if (bytes.length > maximumBytes) return "is larger than 1 MiB: this is no configuration";
  const mark = bytes.subarray(0, 2).toString("latin1");
  if (mark === "\xff\xfe" || mark === "\xfe\xff") return "is UTF-16: save it as UTF-8";
  if (!isUtf8(bytes)) return "is not UTF-8: save it as UTF-8";
  if (bytes.includes(0)) return "contains a zero byte: this is no text";
  return null;
}

function refused(file: string, message: string): YamlDocument {
  const position: Position = { file, line: 1, column: 1 };
  const problem: Problem = { severity: "error", ...position, field: "", message: `the file ${message}`, hint: null };
  return { value: undefined, problems: [problem], locate: () => position };
}

/** Repeated keys, and the first of all others: what follows such a one is mostly a consequence of it. */
function syntaxErrors(document: Document.Parsed): YAMLError[] {
  const all = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  const first = all.find(({ code }) => code !== "DUPLICATE_KEY");
  return all.filter((error) => error.code === "DUPLICATE_KEY" || error === first);
}

function problemOf({ code, message, pos }: YAMLError, text: string, at: (offset: number) => Position): Problem {
  // Some of the library's messages end with a part of the file, which may be a secret.
  const words = plainWords[code] ?? `this is no YAML: ${message.replace(/(?<! or ): .*|[%"\\].*/s, "").trim()}`;
  const hint = text.startsWith("${", pos[0] - 1) ? 'put "${NAME}" in quotes inside { } and [ ]' : null;
  return { severity: "error", ...at(pos[0]), field: "", message: words, hint };
}

/** What YAML allows and a configuration does not need. */
function unwelcome(document: Document.Parsed, at: (offset: number) => Position): Problem[] {
  const found: Problem[] = [];
  const refuse = (node: Node, message: string): void => {
    found.push({ severity: "error", ...at(node.range?.[0] ?? 0), field: "", message, hint: null });
  };
  visit(document, {
    Node(_key, node) {
      if (!isAlias(node) && node.tag !== undefined) refuse(node, "tags are not supported: write the value in quotes");
      if (isAlias(node) && node.resolve(document) === undefined) {
        refuse(node, `there is no anchor "${node.source}" before this alias`);
      }
    },
    Pair(_key, { key }) {
      const keyNode = key as Node;
      if (!isScalar(keyNode) || keyNode.value === null) refuse(keyNode, "a key must be a plain word");
      else if (keyNode.value === "__proto__") refuse(keyNode, `"__proto__" is no name`);
      else if (keyNode.value === "<<") refuse(keyNode, "merge keys are not supported: write the keys out");
    },
  });
  return found;
}

/** The data, or why there is none. */
function plainValue(document: Document.Parsed): { data: unknown } | string {
  try {
    const data: unknown = document.toJS({ maxAliasCount: maximumAliases });
    return depthOf(data, 0) > maximumDepth ? tooDeep : { data };
  } catch (error) {
    if (error instanceof RangeError) return tooDeep;
    if (error instanceof ReferenceError) return `uses too many aliases: more than ${maximumAliases} values`;
    throw error;
  }
}

function depthOf(value: unknown, depth: number): number {
  if (typeof value !== "object" || value === null || depth > maximumDepth) return depth;
  return Math.max(depth, ...Object.values(value).map((each) => depthOf(each, depth + 1)));
}

function offsetOf(document: Document.Parsed, path: FieldPath, atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  let keyOffset = offset;
  for (const part of path) {
    const container = isAlias(node) ? node.resolve(document) : node;
    const child = isMap(container)
      ? container.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(part))
      : isSeq(container)
        ? container.items[Number(part)]
        : undefined;
    if (child === undefined) return offset;
    const key = isPair(child) ? (child as Pair<Node, Node | null>).key : (child as Node);
    node = isPair(child) ? child.value : child;
    keyOffset = key.range?.[0] ?? offset;
    // Of a map over several lines its key is what a person looks for.
    offset = isPointed(node) ? ((node as Node).range?.[0] ?? keyOffset) : keyOffset;
  }
  return atKey ? keyOffset : offset;
}

function isPointed(node: unknown): boolean {
  return isAlias(node) || (isScalar(node) && node.value !== null) || (isCollection(node) && node.flow === true);
}
