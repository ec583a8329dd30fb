// Exclude and include patterns from files, as restic reads them.

import { isUtf8 } from "node:buffer";
import { HoldfastError } from "@holdfast/repository";
import { linesOf, readTextFile } from "./values/text-file.ts";

/**
 * The patterns of the files: one a line, without white space around it; empty lines and those that begin
 * with # are left out. `$NAME` and `${NAME}` become the value of the variable (empty when unset), `$$` a dollar.
 */
export function readPatternFiles(files: readonly string[], option: string, environment: NodeJS.ProcessEnv): string[] {
  return files.flatMap((file) => {
    const bytes = readTextFile(file, option);
    if (!isUtf8(bytes)) {
      throw new HoldfastError("usage", `${option}: the file ${JSON.stringify(file)} is not UTF-8`, {
        hint: "write ? for each byte of a name that is not UTF-8",
      });
    }
    return linesOf(bytes)
      .map((line) => Buffer.from(line, "latin1").toString("utf8").trim())
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => expandVariables(line, environment));
  });
}

function expandVariables(line: string, environment: NodeJS.ProcessEnv): string {
  return line.replace(/\$(?:\$|\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g, (whole, braced?: string, plain?: string) => {
    return whole === "$$" ? "$" : (environment[braced ?? plain ?? ""] ?? "");
  });
}
