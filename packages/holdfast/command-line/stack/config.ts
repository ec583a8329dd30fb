// `holdfast config`: checks the configuration, shows what it comes to, prints its schema.

import { HoldfastError } from "@holdfast/repository";
import { sourceKinds } from "@holdfast/sources";
import type { Command } from "commander";
import { stringify } from "yaml";
import { loadConfiguration, readConfiguration } from "../../configuration/load-configuration.ts";
import { nameHint } from "../../configuration/nearest-name.ts";
import { problemLine, type Problem } from "../../configuration/problem.ts";
import { probeConfiguration } from "../../configuration/probe-configuration.ts";
import { configurationJsonSchema } from "../../configuration/schema.ts";
import { onlyStack, shownConfiguration } from "../../configuration/shown-configuration.ts";
import { exitCodes, type ExitCode } from "../../exit-codes.ts";
import type { Context, Verb } from "../context.ts";
import { toJsonText } from "../display/json-line.ts";
import { printableText } from "../display/printable.ts";
import { requireWords } from "../words.ts";
import { configurationRequest } from "./config-file.ts";

interface ConfigOptions {
  config?: string;
}

type Action = (context: Context, words: readonly string[], options: ConfigOptions) => Promise<ExitCode> | ExitCode;

const actions: Readonly<Record<string, Action>> = { check, show, schema };

export const config: Verb<ConfigOptions> = {
  describe(command: Command): void {
    command.description("Look at the configuration, holdfast.yml.").addHelpText(
      "after",
      `
  config check         everything that is wrong or doubtful, in the file and on this machine; changes nothing
  config show [STACK]  what it comes to, all defaults filled in and secrets hidden
  config schema        its JSON Schema, for editors

docs/configuration.md describes every key. The exit code is 2 when there is any error.
`,
    );
    command
      .option("-c, --config <file>", "the configuration (default: ./holdfast.yml, then the usual places)")
      .option("-q, --quiet", "print results and errors only")
      .option("--json", "print JSON, one object a line");
  },

  async run(context: Context, words: readonly string[], options: ConfigOptions): Promise<ExitCode> {
    const [name = "", ...rest] = words;
    const action = actions[name];
    if (action === undefined) {
      const problem =
        name === "" ? "what to do is missing" : `${JSON.stringify(name)} is nothing to do with the configuration`;
      throw new HoldfastError("usage", problem, { hint: nameHint(name, Object.keys(actions)) });
    }
    return action(context, rest, options);
  },
};

async function check(context: Context, words: readonly string[], options: ConfigOptions): Promise<ExitCode> {
  requireWords(words, 0, 0, "");
  const { output } = context;
  const request = configurationRequest(options.config, context.environment);
  const reading = readConfiguration(request);
  const problems = [...reading.problems];
  if (reading.configuration !== null) problems.push(...(await probeConfiguration(reading.configuration, context)));
  for (const problem of problems) {
    if (output.json) output.jsonLine({ message_type: "problem", ...problem });
    else output.line(printableText(`${problem.severity}: ${problemLine(problem)}`));
  }
  const errors = problems.filter(({ severity }) => severity === "error").length;
  report(context, request.file, problems, errors);
  return errors === 0 ? exitCodes.done : exitCodes.usage;
}

function report({ output }: Context, file: string, problems: readonly Problem[], errors: number): void {
  const warnings = problems.length - errors;
  if (output.json) return output.jsonLine({ message_type: "summary", file, errors, warnings });
  const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
  if (errors > 0) output.line(printableText(`${file}: ${counted(errors, "error")}, ${counted(warnings, "warning")}`));
  else output.note(printableText(`${file} is valid${warnings === 0 ? "" : `, with ${counted(warnings, "warning")}`}`));
}

function show(context: Context, words: readonly string[], options: ConfigOptions): ExitCode {
  requireWords(words, 0, 1, "the name of a stack");
  const { output } = context;
  const { file, effective, stacks } = loadConfiguration(configurationRequest(options.config, context.environment));
  const [stack] = words;
  if (stack !== undefined && !stacks.has(stack)) {
    throw new HoldfastError("usage", `there is no stack ${JSON.stringify(stack)} in ${file}`, {
      hint: nameHint(stack, [...stacks.keys()]),
    });
  }
  const shown = shownConfiguration(stack === undefined ? effective : onlyStack(effective, stack));
  if (output.json) output.jsonLine({ message_type: "configuration", file, ...shown });
  else {
    output.note(printableText(`# ${file}`));
    for (const line of stringify(shown, { lineWidth: 0 }).trimEnd().split("\n")) output.line(printableText(line));
  }
  return exitCodes.done;
}

function schema({ output }: Context, words: readonly string[]): ExitCode {
  requireWords(words, 0, 0, "");
  const json = configurationJsonSchema(sourceKinds);
  if (output.json) output.jsonLine(json);
  else output.line(toJsonText(json));
  return exitCodes.done;
}
