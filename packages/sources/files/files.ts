// The source for files and folders.
import { directorySandbox, restorePaths } from "../path-restore.ts";
import type { SourceKind } from "../source.ts";
import { compareFiles } from "./compare.ts";
import { openFiles, preflightFiles } from "./open.ts";
import { filesOptions, type FilesOptions } from "./options.ts";

export const files: SourceKind<FilesOptions> = {
  name: "files",
  options: filesOptions,
  paths: (options) => options.paths,
  preflight: preflightFiles,
  open: openFiles,
  companions: () => [],
  restore: restorePaths,
  sandbox: (directory) => Promise.resolve(directorySandbox(directory)),
  compare: (_captured, copies, part) => compareFiles(copies, part),
};
