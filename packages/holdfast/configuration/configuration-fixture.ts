// Configurations for tests: written to a directory of their own and read as the program reads them.

import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sourceKinds } from "@holdfast/sources";
import { readConfiguration, type Reading } from "./load-configuration.ts";
import type { Problem } from "./problem.ts";

export class ConfigurationFixture implements Disposable {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-configuration-")));
  readonly file = join(this.directory, "holdfast.yml");

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  read(content: string | Buffer, environment: NodeJS.ProcessEnv = {}): Reading {
    writeFileSync(this.file, content, { mode: 0o600 });
    return readConfiguration({ file: this.file, kinds: sourceKinds, environment, stateDirectory: this.path("state") });
  }

  /** What is wrong, as `LINE:COLUMN FIELD message`. */
  errors(content: string | Buffer, environment: NodeJS.ProcessEnv = {}): string[] {
    return linesOf(this.read(content, environment).problems, "error");
  }

  warnings(content: string | Buffer): string[] {
    return linesOf(this.read(content).problems, "warning");
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }
}

export function linesOf(problems: readonly Problem[], wanted: Problem["severity"]): string[] {
  return problems
    .filter(({ severity }) => severity === wanted)
    .map(({ line, column, field, message }) => `${line}:${column} ${field} ${message}`.replace("  ", " "));
}

/** A configuration without a flaw, but for what is put in its places. */
export function minimal(
  parts: { repository?: string; source?: string; plan?: string; stack?: string; more?: string } = {},
): string {
  const {
    repository = "{ url: /srv/backups, password_file: /etc/holdfast/key }",
    source = "{ sqlite: /var/lib/app/app.db }",
    plan = "{ to: { local: {} } }",
    stack = "",
    more = "",
  } = parts;
  return `repositories:
  local: ${repository}
stacks:
  app:
    sources:
      data: ${source}
    plans:
      daily: ${plan}
${stack}${more}`;
}
