// Looks at a file with a secret: whether it is there, who else can read it, and whether it lies where it must not.

import { execFile } from "node:child_process";
import { lstatSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { passwordWeakness } from "@holdfast/repository";
import { trimmedPassword } from "../access/password-bytes.ts";
import { isWithin, resolved } from "./path-flaws.ts";
import type { FieldPath, Flaw } from "./problem.ts";

export interface SecretFile {
  readonly field: FieldPath;
  readonly path: string;
  /** A local repository that the secret opens; null for others. */
  readonly repositoryPath: string | null;
  readonly isPassword: boolean;
}

/** Nothing of the content is repeated. */
export async function secretFileFlaws(secret: SecretFile): Promise<Flaw[]> {
  const { field, path, repositoryPath, isPassword } = secret;
  const flaw = (severity: Flaw["severity"], message: string, hint: string): Flaw => ({
    severity,
    path: field,
    message,
    hint,
  });
  let content: Buffer;
  let mode: number;
  try {
    const status = statSync(path);
    mode = status.mode & 0o777;
    if (!status.isFile()) return [flaw("error", `names ${path}, which is no file`, "name a file")];
    content = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    return [flaw("error", `names ${path}, which ${reason}`, "check the path, and who may read the file")];
  }
  const flaws: Flaw[] = [];
  if ((mode & 0o077) !== 0) {
    const message = `names ${path}, which others than its owner may use (mode 0${mode.toString(8)})`;
    flaws.push(flaw("error", message, `run: chmod 600 ${path}`));
  }
  if (repositoryPath !== null && isWithin(resolved(path), resolved(repositoryPath))) {
    const message = `names ${path}, inside the repository: who takes the repository has the key, who loses it loses both`;
    flaws.push(flaw("error", message, "keep it elsewhere, and a copy of it off this machine"));
  }
  if (isPassword) flaws.push(...passwordFlaws(content, path, flaw));
  flaws.push(...(await versionControlFlaws(path, flaw)));
  return flaws;
}

type MakeFlaw = (severity: Flaw["severity"], message: string, hint: string) => Flaw;

function passwordFlaws(content: Buffer, path: string, flaw: MakeFlaw): Flaw[] {
  const password = trimmedPassword(content).toString("utf8");
  if (password === "") return [flaw("error", `names ${path}, which is empty`, "write the password into it")];
  const weakness = passwordWeakness(password);
  if (weakness === null) return [];
  const hint = "choose another and change it with `holdfast repo key passwd`";
  return [flaw("warning", `names ${path}, whose password can be guessed: ${weakness}`, hint)];
}

/** What is committed once stays in the history of every clone. */
async function versionControlFlaws(path: string, flaw: MakeFlaw): Promise<Flaw[]> {
  const real = resolved(path);
  if (!liesInWorkTree(dirname(real))) return [];
  if (await isTrackedByGit(real)) {
    const hint = "take it out of the repository and its history, and choose another secret: this one is known";
    return [flaw("error", `names ${path}, which is tracked by git`, hint)];
  }
  return [
    flaw(
      "warning",
      `names ${path}, inside a git work tree: one git add away from being published`,
      "keep it elsewhere",
    ),
  ];
}

function liesInWorkTree(directory: string): boolean {
  if (lstatSync(join(directory, ".git"), { throwIfNoEntry: false }) !== undefined) return true;
  return directory !== dirname(directory) && liesInWorkTree(dirname(directory));
}

/** False also where git is not installed or does not trust the owner of the work tree. */
async function isTrackedByGit(path: string): Promise<boolean> {
  const words = [
    "-C",
    dirname(path),
    "-c",
    "core.fsmonitor=false",
    "ls-files",
    "--error-unmatch",
    "--",
    basename(path),
  ];
  try {
    await promisify(execFile)("git", words, { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
