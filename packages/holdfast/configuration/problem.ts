// What is wrong, or doubtful, in a configuration file: where it stands, what it is, what to do about it.

import { HoldfastError } from "@holdfast/repository";

/** Names of keys and numbers of list entries from the root of the file to a value. */
export type FieldPath = readonly (string | number)[];

/** Where something stands in a file; lines and columns begin with 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** As found, before its place in the file is known. Neither message nor hint repeats a value that may be secret. */
export interface Flaw {
  readonly severity: "error" | "warning";
  readonly path: FieldPath;
  /** Follows the name of the field: "must be …", "is …". */
  readonly message: string;
  readonly hint?: string;
  /** The key itself is meant, not what stands behind it. */
  readonly atKey?: boolean;
}

export interface Problem extends Position {
  readonly severity: "error" | "warning";
  /** `stacks.mist.sources.database.sqlite`; empty for the file as a whole. */
  readonly field: string;
  readonly message: string;
  readonly hint: string | null;
}

/** `stacks.mist.sources.certificates.files[1]`. */
export function fieldName(path: FieldPath): string {
  return path.map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`)).join("");
}

/** `FILE:LINE:COLUMN: FIELD what is wrong (what to do)`: editors and terminals jump to such places. */
export function problemLine({ file, line, column, field, message, hint }: Problem): string {
  const what = field === "" ? message : `${field} ${message}`;
  return `${file}:${line}:${column}: ${what}${hint === null ? "" : ` (${hint})`}`;
}

/** The one error for all that is wrong in a file. `problems` holds at least one. */
export function configurationError(problems: readonly Problem[]): HoldfastError {
  const [first] = problems as readonly [Problem, ...Problem[]];
  const { file, line, column, field } = first;
  const hint = `${problems.length === 1 ? "correct it" : `correct these ${problems.length} errors`}, then run \`holdfast config check\``;
  return new HoldfastError("usage", problems.map(problemLine).join("\n"), {
    hint,
    context: { file, line, column, field, errors: problems.length },
  });
}
