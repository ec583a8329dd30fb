// The options of `holdfast repo backup`, and what they say about selecting files.

import { cacheDirectoryMarker, escapePattern, HoldfastError, type SelectionRules } from "@holdfast/repository";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import { collect } from "./global-options.ts";
import { readPatternFiles } from "./pattern-files.ts";
import { cacheDirectoryOf } from "./session.ts";
import { parseSizeBytes } from "./values/sizes.ts";

export interface BackupOptions {
  exclude?: string[];
  iexclude?: string[];
  excludeFile?: string[];
  iexcludeFile?: string[];
  excludeIfPresent?: string[];
  excludeCaches?: boolean;
  excludeLargerThan?: string;
  oneFileSystem?: boolean;
  filesFrom?: string[];
  filesFromVerbatim?: string[];
  filesFromRaw?: string[];
  stdin?: boolean;
  stdinFilename: string;
  stdinFromCommand?: boolean;
  tag?: string[];
  host?: string;
  time?: string;
  parent?: string;
  groupBy: string;
  force?: boolean;
  skipIfUnchanged?: boolean;
  withAtime?: boolean;
  dryRun?: boolean;
  readBack?: boolean;
}

export function addBackupOptions(command: Command): void {
  command
    .option("-e, --exclude <pattern>", "leave out what matches; repeat for more", collect)
    .option("--iexclude <pattern>", "the same, upper and lower case taken as equal", collect)
    .option("--exclude-file <file>", "read such patterns from a file, one a line", collect)
    .option("--iexclude-file <file>", "the same, upper and lower case taken as equal", collect)
    .option(
      "--exclude-if-present <name[:header]>",
      "leave out the contents of folders with a file of this name (that begins with this header)",
      collect,
    )
    .option("--exclude-caches", "leave out the contents of folders marked with CACHEDIR.TAG")
    .option("--exclude-larger-than <size>", "leave out files of more bytes (like 500M, 2G)")
    .option("-x, --one-file-system", "stay in the file systems of the given paths")
    .option("--files-from <file>", "read paths and patterns from a file, one a line", collect)
    .option("--files-from-verbatim <file>", "read paths from a file, one a line, taken literally", collect)
    .option("--files-from-raw <file>", "read paths from a file, a NUL behind each", collect)
    .option("--stdin", "store standard input as one file")
    .option("--stdin-filename <name>", "the name of that file in the snapshot", "stdin")
    .option("--stdin-from-command", "store the output of the command behind `--`; no snapshot if it fails")
    .option("--tag <tag,...>", "tags for the snapshot; repeat for more", collect)
    .option("-H, --host <host>", "the host named in the snapshot ($RESTIC_HOST)")
    .option("--time <time>", 'the time of the snapshot, like "2012-11-01 22:08:41" (default: now)')
    .option("--parent <snapshot>", "compare with this snapshot to find what changed (default: the latest of the group)")
    .option("-g, --group-by <what>", "where the latest is looked for: the same host, paths, tags", "host,paths")
    .option("-f, --force", "read every file, changed or not")
    .option("--skip-if-unchanged", "make no snapshot if nothing differs from the parent")
    .option("--with-atime", "store the times of last access")
    .option("-n, --dry-run", "store nothing, only tell what would be")
    .option("--read-back", "read everything that was written from the storage again and compare")
    .addHelpText(
      "after",
      `
Patterns: * and ? stand for characters of a name, ** for any number of folders, [a-z] for one character;
a pattern that begins with / holds from the root, another one anywhere; ! takes back what was matched.

Examples:
  $ holdfast repo backup /etc /home --exclude '*.tmp' --exclude-caches
  $ holdfast repo backup / --one-file-system --exclude-file /etc/holdfast/exclude
  $ holdfast repo backup --stdin-from-command --stdin-filename app.sql -- pg_dump app
  $ find /srv -newer stamp -print0 | holdfast repo backup --files-from-raw -

Exit code 3: the snapshot was made, but some files could not be read; they are named above.
`,
    );
}

/** All patterns in the order of the options, those of files behind; the snapshot records them too. */
export function excludePatterns(
  options: BackupOptions,
  environment: NodeJS.ProcessEnv,
): { exclude: string[]; iexclude: string[] } {
  return {
    exclude: [
      ...(options.exclude ?? []),
      ...readPatternFiles(options.excludeFile ?? [], "--exclude-file", environment),
    ],
    iexclude: [
      ...(options.iexclude ?? []),
      ...readPatternFiles(options.iexcludeFile ?? [], "--iexclude-file", environment),
    ],
  };
}

/** What decides on each file. Our own cache is never backed up. */
export function selectionRules(context: Context, options: BackupOptions): SelectionRules {
  const { exclude, iexclude } = excludePatterns(options, context.environment);
  const cache = cacheDirectoryOf(context.globals, context.environment);
  const markers = (options.excludeIfPresent ?? []).map(parseMarker);
  return {
    exclude: cache === undefined ? exclude : [...exclude, escapePattern(cache)],
    iexclude,
    excludeIfPresent: options.excludeCaches === true ? [...markers, cacheDirectoryMarker] : markers,
    excludeLargerThanBytes:
      options.excludeLargerThan === undefined
        ? null
        : parseSizeBytes(options.excludeLargerThan, "--exclude-larger-than"),
  };
}

function parseMarker(text: string): { name: string; header?: string } {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  if (name === "") throw new HoldfastError("usage", "--exclude-if-present: the name of the file is missing");
  return colon < 0 ? { name } : { name, header: text.slice(colon + 1) };
}
