// Describes a tree on disk down to the nanosecond, so that two trees can be compared as lists of lines.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { expectStatus, run } from "./programs.ts";

const readBytes = 4 * 1024 * 1024;

export interface FactsOptions {
  /** False for files too large to be read. */
  readonly contents?: boolean;
  /** False where the owner cannot be restored. */
  readonly owners?: boolean;
}

/**
 * One line for each entry below `root` (the root itself left out): path, kind, mode, owner, modification time,
 * size, content, link target, device, the other names of the same inode; then one for each entry with extended
 * attributes (ACLs are such). Names are escaped, so that a line is a line.
 */
export function treeFacts(root: string, options: FactsOptions = {}): string[] {
  const lines: string[] = [];
  const firstNames = new Map<bigint, string>();
  const visit = (directory: Buffer, shown: string): void => {
    const names = readdirSync(directory, { encoding: "buffer" }).toSorted((left, right) => Buffer.compare(left, right));
    for (const name of names) {
      const path = Buffer.concat([directory, Buffer.from("/"), name]);
      const label = `${shown}/${JSON.stringify(name.toString("latin1"))}`;
      const status = lstatSync(path, { bigint: true });
      lines.push(`${label} ${facts(path, label, status, firstNames, options)}`);
      if (status.isDirectory()) visit(path, label);
    }
  };
  visit(Buffer.from(root), "");
  return [...lines, ...attributes(root)];
}

/** Fails with the first lines that differ. */
export function assertSameTree(actual: string, expected: string, options: FactsOptions = {}): void {
  assertSameFacts(treeFacts(actual, options), treeFacts(expected, options));
}

export function assertSameFacts(actual: readonly string[], expected: readonly string[]): void {
  const has = new Set(actual);
  const wants = new Set(expected);
  const missing = expected.filter((line) => !has.has(line));
  const surplus = actual.filter((line) => !wants.has(line));
  assert.deepEqual({ surplus: surplus.slice(0, 10), missing: missing.slice(0, 10) }, { surplus: [], missing: [] });
  assert.equal(actual.length, expected.length);
}

/** Bytes on disk of all files below `root`: less than their sizes where there are holes. */
export function allocatedBytes(root: string): number {
  const outcome = expectStatus(run("du", ["--block-size=1", "--summarize", root]), 0);
  return Number.parseInt(outcome.stdout.toString(), 10);
}

export function sha256Of(file: string | Buffer): string {
  const hash = createHash("sha256");
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    // Not larger than needed: trees have many small files.
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, fstatSync(descriptor).size + 1));
    for (let got = -1; got !== 0;) {
      got = readSync(descriptor, buffer);
      hash.update(buffer.subarray(0, got));
    }
  } finally {
    closeSync(descriptor);
  }
  return hash.digest("hex");
}

function facts(
  path: Buffer,
  label: string,
  status: BigIntStats,
  firstNames: Map<bigint, string>,
  { contents = true, owners = true }: FactsOptions,
): string {
  const parts = [status.mode.toString(8)];
  if (owners) parts.push(`${status.uid}:${status.gid}`);
  parts.push(String(status.mtimeNs));
  if (status.isFile()) parts.push(`size ${status.size}`);
  if (status.isFile() && contents) parts.push(sha256Of(path));
  if (status.isSymbolicLink()) parts.push(`to ${readlinkSync(path, { encoding: "latin1" })}`);
  if (status.isCharacterDevice() || status.isBlockDevice()) parts.push(`device ${status.rdev}`);
  if (!status.isDirectory() && status.nlink > 1n) {
    parts.push(`links ${status.nlink} first ${firstNames.get(status.ino) ?? label}`);
    if (!firstNames.has(status.ino)) firstNames.set(status.ino, label);
  }
  return parts.join(" ");
}

/** Extended attributes of all entries, as `getfattr` prints them, one line for an entry. */
function attributes(root: string): string[] {
  const words = ["--recursive", "--no-dereference", "--physical", "--dump", "--match=-", "--encoding=hex", "."];
  const outcome = expectStatus(run("getfattr", words, { cwd: root }), 0);
  const blocks = outcome.stdout.toString("latin1").split("\n\n");
  return blocks
    .map((block) => block.trim())
    .filter((block) => block !== "" && !block.startsWith("# file: .\n"))
    .map((block) => {
      const [file = "", ...values] = block.split("\n");
      return [file, ...values.toSorted()].join(" ");
    })
    .toSorted();
}
