// Where the paths given to a backup go in the snapshot: restic's layout, so that trees are shared with it.

import { lstatSync, readdirSync } from "node:fs";
import { HoldfastError, Selection, type SelectionRules } from "@holdfast/repository";

/** Byte strings (latin1): a path on disk, and its absolute path in the snapshot. */
export interface PlacedTarget {
  readonly from: string;
  readonly at: string;
}

/**
 * Absolute paths keep their place; `a/b` becomes /a/b and `../a` becomes /a, whatever the current directory.
 * Where the first names of paths with different roots collide, the later one gets "-1", "-2", … behind it.
 * Paths below another one, and repeated ones, are left out. `workingDirectory` is absolute.
 */
export function placeTargets(targets: readonly string[], workingDirectory: string): PlacedTarget[] {
  const rootOfName = new Map<string, string>();
  const placed = targets.map((target) => {
    const parts = cleanParts(target);
    const root = target.startsWith("/") ? "/" : [".", ...parts.filter((part) => part === "..")].join("/");
    const [first, ...rest] = parts.filter((part) => part !== "..");
    if (first === undefined) return { from: absolute(parts, target.startsWith("/") ? "/" : workingDirectory), at: "/" };
    let name = first;
    for (let number = 1; (rootOfName.get(name) ?? root) !== root; number++) name = `${first}-${number}`;
    rootOfName.set(name, root);
    return {
      from: absolute(parts, target.startsWith("/") ? "/" : workingDirectory),
      at: `/${[name, ...rest].join("/")}`,
    };
  });
  const isBelow = (inner: PlacedTarget, outer: PlacedTarget): boolean =>
    inner.at !== outer.at && inner.at.startsWith(outer.at === "/" ? "/" : `${outer.at}/`);
  return placed.filter(
    (target, index) =>
      !placed.some((other) => isBelow(target, other)) && placed.findIndex((other) => other.at === target.at) === index,
  );
}

/**
 * A target without a name of its own ("/", ".", "..") stands for what is in it, which exclude rules apply to.
 * Alone it can stay as it is: it becomes the root of the snapshot.
 */
export function expandNameless(
  targets: readonly string[],
  workingDirectory: string,
  rules: SelectionRules,
  warn: (message: string) => void,
): string[] {
  if (targets.length === 1) return [...targets];
  const selection = new Selection(rules);
  return targets.flatMap((target) => {
    if (cleanParts(target).some((part) => part !== "..")) return [target];
    const directory = Buffer.from(target, "latin1");
    const markers = selection.markersIn(directory, warn);
    const names = readdirSync(directory, { encoding: "buffer" }).filter(
      (name) => !selection.excludesEntry(name, markers),
    );
    return names
      .map((name) => `${target.replace(/\/+$/, "")}/${name.toString("latin1")}`)
      .filter((path) =>
        isSelected(selection, absolute(cleanParts(path), path.startsWith("/") ? "/" : workingDirectory)),
      )
      .toSorted();
  });
}

function isSelected(selection: Selection, path: string): boolean {
  const bytes = Buffer.from(path, "latin1");
  if (selection.excludesPath(bytes)) return false;
  const status = lstatSync(bytes, { throwIfNoEntry: false });
  return status === undefined || status.isDirectory() || !selection.excludesSize(status.size);
}

/** The targets that exist. Throws `source` when none does. */
export function existingTargets(
  targets: readonly string[],
  report: (path: Buffer, error: HoldfastError) => void,
): string[] {
  const existing = targets.filter((target) => {
    const path = Buffer.from(target, "latin1");
    try {
      lstatSync(path);
      return true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
      const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
      report(path, new HoldfastError("source", reason, { hint: "check the path and the rights of the account" }));
      return false;
    }
  });
  if (existing.length > 0) return existing;
  throw new HoldfastError("source", "none of the paths given can be read: there is nothing to back up", {
    hint: "check the paths",
  });
}

/** As absolute paths, for the snapshot's list. */
export function absoluteTargets(targets: readonly string[], workingDirectory: string): string[] {
  return targets.map((target) => absolute(cleanParts(target), target.startsWith("/") ? "/" : workingDirectory));
}

/** Names of a path without "." and with ".." at the beginning only, where it cannot be resolved. */
function cleanParts(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !path.startsWith("/")) parts.push(part);
  }
  return parts;
}

function absolute(parts: readonly string[], base: string): string {
  const names = base.split("/").filter((part) => part !== "");
  for (const part of parts) {
    if (part === "..") names.pop();
    else names.push(part);
  }
  return `/${names.join("/")}`;
}
