// Reads the checkout's own sources for the tests that hold its structure: which files there are, what each imports.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import type { Program } from "oxc-parser";

export const checkout = path.resolve(import.meta.dirname, "..");

/** Compiled by AssemblyScript, which has its own rules for imports. */
const assemblyFolder = "packages/repository/kernel/assembly/";

/** Every TypeScript file of packages/, tests/ and scripts/, as paths from the checkout with `/`, sorted. */
export function sourceFiles(): string[] {
  const files = ["packages", "tests", "scripts"].flatMap((folder) =>
    readdirSync(path.join(checkout, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map((entry) => path.relative(checkout, path.join(entry.parentPath, entry.name))),
  );
  return files
    .filter((file) => !/(^|\/)(node_modules|dist|build)\//.test(file) && !file.startsWith(assemblyFolder))
    .toSorted();
}

export function readSource(file: string): string {
  return readFileSync(path.join(checkout, file), "utf8");
}

/** True for tests and what only tests load; they may reach where the program may not. */
export function isTestCode(file: string): boolean {
  return /(\.test|-fixture)\.ts$/.test(file) || /^(tests|packages\/[^/]+\/(test|bench))\//.test(file);
}

/** The specifiers that a file imports, re-exports, imports dynamically or starts a worker from. */
export function importsOf(file: string, text: string): string[] {
  const { module, program, errors } = parseSync(file, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file} cannot be parsed: ${error.message}`);
  const specifiers = module.staticImports.map((statement) => statement.moduleRequest.value);
  for (const statement of module.staticExports) {
    for (const entry of statement.entries) if (entry.moduleRequest) specifiers.push(entry.moduleRequest.value);
  }
  return [...specifiers, ...computedImportsOf(file, program)];
}

/** `import("…")` and `new URL("….ts", …)`, by which workers are started. */
function computedImportsOf(file: string, program: Program): string[] {
  const specifiers: string[] = [];
  new Visitor({
    ImportExpression({ source }) {
      if (source.type !== "Literal" || typeof source.value !== "string") {
        if (isTestCode(file)) return;
        throw new Error(`${file} has an import() that hides what it imports`);
      }
      specifiers.push(source.value);
    },
    NewExpression({ callee, arguments: [first] }) {
      if (callee.type !== "Identifier" || callee.name !== "URL" || first?.type !== "Literal") return;
      const url = first.value;
      if (typeof url === "string" && url.endsWith(".ts")) specifiers.push(url.startsWith(".") ? url : `./${url}`);
    },
  }).visit(program);
  return specifiers;
}
