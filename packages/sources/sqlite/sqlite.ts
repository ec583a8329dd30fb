// The source for SQLite databases.
import { directorySandbox, restorePaths } from "../path-restore.ts";
import type { SourceKind } from "../source.ts";
import { compareSqlite } from "./compare.ts";
import { journalPath, shmPath, walPath } from "./database-file.ts";
import { openSqlite, preflightSqlite } from "./open.ts";
import { sqliteOptions, type SqliteOptions } from "./options.ts";

export const sqlite: SourceKind<SqliteOptions> = {
  name: "sqlite",
  options: sqliteOptions,
  paths: (options) => [options.path],
  preflight: preflightSqlite,
  open: openSqlite,
  companions: (path) => [walPath(path), shmPath(path), journalPath(path)],
  restore: restorePaths,
  sandbox: (directory) => Promise.resolve(directorySandbox(directory)),
  compare: (captured, copies, _part, context) => compareSqlite(captured, copies, context),
};
