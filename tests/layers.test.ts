// Holds the architecture: which package and which folder of the engine may import which, and the shape of files.
import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { importsOf, isTestCode, readSource, sourceFiles } from "./source-tree.ts";

/** Which packages a package may import. */
const packageEdges: Record<string, readonly string[]> = {
  holdfast: ["sources", "repository"],
  sources: ["repository"],
  repository: [],
};

/** What a package shows to others: the name that is imported, and the file behind it. */
const publicFaces: Record<string, string> = {
  "@holdfast/repository": "packages/repository/repository.ts",
  "@holdfast/sources": "packages/sources/sources.ts",
};

/** What a package lends to the tests of others: every file of this folder, by its name without `.ts`. */
const testingFaces: Record<string, string> = {
  "@holdfast/repository/testing/": "packages/repository/testing/",
};

const leaves = ["storage", "chunker", "filesystem", "selection", "kernel", "threads"];
const upToCodec = ["codec", ...leaves];
const upToFormat = ["format", ...upToCodec];
const upToIndex = ["index", ...upToFormat];
const upToStore = ["store", ...upToIndex];
const upToRoads = ["writer", "reader", ...upToStore];

/** Which folders of packages/repository a folder may import; everything may import errors.ts. */
const engineEdges: Record<string, readonly string[]> = {
  maintenance: upToRoads,
  writer: upToStore,
  reader: upToStore,
  store: upToIndex,
  index: upToFormat,
  format: upToCodec,
  codec: ["kernel"],
  chunker: ["kernel"],
  storage: [],
  filesystem: [],
  selection: [],
  kernel: [],
  threads: [],
  testing: ["storage"],
  // Only tests live here.
  test: [...upToRoads, "maintenance", "testing"],
};

/** Single files at the root of packages/repository: the face, which may show everything, and the errors. */
const engineRootFiles: Record<string, readonly string[]> = {
  "repository.ts": [...upToRoads, "maintenance"],
  "errors.ts": [],
};

const maximumLines = 400;

interface Place {
  /** `repository`, `holdfast`, or `tests` and `scripts` for what is no package. */
  readonly package: string;
  /** The folder inside the package; `""` for a file at its root. */
  readonly folder: string;
}

function placeOf(file: string): Place {
  const [top = "", second = "", third = "", fourth] = file.split("/");
  if (top !== "packages") return { package: top, folder: "" };
  return { package: second, folder: fourth === undefined ? "" : third };
}

/** Why this import is not allowed, or undefined if it is. */
function objection(file: string, specifier: string): string | undefined {
  const from = placeOf(file);
  if (specifier.startsWith("@holdfast/")) return objectionToPackage(file, from, specifier);
  if (!specifier.startsWith(".")) return undefined; // Node's own and installed packages: knip holds those
  const target = path.normalize(path.join(path.dirname(file), specifier));
  const to = placeOf(target);
  if (!isTestCode(file) && isTestCode(target)) return `imports ${specifier}, which only tests may`;
  if (from.package !== to.package) return `reaches into ${to.package}: import its public face instead`;
  if (from.package !== "repository" || from.folder === to.folder || isTestCode(file)) return undefined;
  if (target === "packages/repository/errors.ts") return undefined;
  if (to.folder === "") return `imports ${specifier} of the engine's root, which only outsiders do`;
  const allowed = from.folder === "" ? engineRootFiles[path.basename(file)] : engineEdges[from.folder];
  return allowed?.includes(to.folder) === true ? undefined : `imports ${to.folder}/ from ${from.folder || file}`;
}

function objectionToPackage(file: string, from: Place, specifier: string): string | undefined {
  const testingFace = Object.keys(testingFaces).find((prefix) => specifier.startsWith(prefix));
  if (testingFace === undefined && publicFaces[specifier] === undefined) return `imports ${specifier}: no public face`;
  const to = specifier.split("/")[1] ?? "";
  if (to === from.package) return "imports its own package by name";
  if (isTestCode(file)) return undefined;
  if (testingFace !== undefined) return `imports ${specifier} outside tests`;
  return packageEdges[from.package]?.includes(to) === true ? undefined : `imports package ${to} from ${from.package}`;
}

function objectionsToImports(file: string, text: string): string[] {
  return importsOf(file, text).flatMap((specifier) => {
    const reason = objection(file, specifier);
    return reason === undefined ? [] : [`${file} ${reason}`];
  });
}

function objectionsToShape(file: string, text: string): string[] {
  const found: string[] = [];
  const name = path.basename(file);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.(slow|long))?(\.test)?(\.d)?\.ts$/.test(name))
    found.push(`${file} is not kebab-case`);
  if (/^(utils?|helpers?|managers?|common|misc)\.ts$/.test(name)) found.push(`${file} says nothing about its content`);
  const firstLine = text.slice(0, text.indexOf("\n"));
  if (!/^\/\/ \S+( \S+){2,}/.test(firstLine)) found.push(`${file} does not say its purpose in its first line`);
  const lines = text.split("\n").length - 1;
  if (lines > maximumLines && !isTestCode(file)) found.push(`${file} has ${lines} lines, more than ${maximumLines}`);
  return found;
}

describe("the source tree", () => {
  const files = sourceFiles();

  it("imports along the allowed edges only", () => {
    assert.deepEqual(
      files.flatMap((file) => objectionsToImports(file, readSource(file))),
      [],
    );
  });

  it("has no package and no folder of the engine that the tables above do not know", () => {
    const unknown = files.filter((file) => {
      const place = placeOf(file);
      if (!file.startsWith("packages/")) return false;
      if (packageEdges[place.package] === undefined) return true;
      if (place.package !== "repository") return false;
      const table = place.folder === "" ? engineRootFiles[path.basename(file)] : engineEdges[place.folder];
      return table === undefined && !(place.folder === "" && isTestCode(file));
    });
    assert.deepEqual(unknown, []);
  });

  it("has the files that the public faces name", () => {
    const faces = [...Object.values(publicFaces), ...Object.values(testingFaces)];
    const missing = faces.filter((face) => !files.some((file) => file.startsWith(face)));
    assert.deepEqual(missing, []);
  });

  it("keeps names, first lines and lengths", () => {
    assert.deepEqual(
      files.flatMap((file) => objectionsToShape(file, readSource(file))),
      [],
    );
  });
});

describe("the layer test itself", () => {
  const engine = "packages/repository";
  const forbidden: readonly (readonly [file: string, text: string])[] = [
    [`${engine}/format/tree.ts`, 'import { x } from "../index/blob-index.ts";'],
    [`${engine}/storage/local.ts`, 'import type { X } from "../codec/seal.ts";'],
    [`${engine}/storage/local.ts`, 'export { x } from "../format/pack.ts";'],
    [`${engine}/storage/local.ts`, 'export * from "../format/pack.ts";'],
    [`${engine}/codec/seal.ts`, 'const x = await import("../chunker/rabin.ts");'],
    [`${engine}/reader/restore.ts`, 'new Worker(new URL("../writer/worker.ts", import.meta.url));'],
    [`${engine}/writer/writer.ts`, 'import { x } from "../testing/fault-storage.ts";'],
    [`${engine}/writer/writer.ts`, 'import { x } from "../repository.ts";'],
    [`${engine}/writer/writer.ts`, 'import { x } from "../../holdfast/main.ts";'],
    ["packages/holdfast/main.ts", 'import { x } from "../repository/errors.ts";'],
    ["packages/holdfast/main.ts", 'import { x } from "@holdfast/repository/errors.ts";'],
    ["packages/holdfast/main.ts", 'import { x } from "@holdfast/repository/testing/fault-storage";'],
    ["tests/demo.test.ts", 'import { x } from "../packages/repository/errors.ts";'],
  ];
  for (const [file, text] of forbidden) {
    it(`refuses ${text} in ${file}`, () => assert.equal(objectionsToImports(file, text).length, 1));
  }

  it("accepts what the tables allow", () => {
    const allowed: readonly (readonly [file: string, text: string])[] = [
      [`${engine}/maintenance/check.ts`, 'import { x } from "../reader/reader.ts"; import { y } from "../errors.ts";'],
      [`${engine}/codec/seal.ts`, 'import { x } from "../kernel/kernel.ts"; import { y } from "node:crypto";'],
      [`${engine}/codec/seal.test.ts`, 'import { x } from "../testing/fault-storage.ts";'],
      ["packages/holdfast/main.ts", 'import { x } from "@holdfast/repository";'],
      ["tests/demo.test.ts", 'import { x } from "@holdfast/repository/testing/fault-storage";'],
    ];
    assert.deepEqual(
      allowed.flatMap(([file, text]) => objectionsToImports(file, text)),
      [],
    );
  });

  it("refuses bad names, missing purposes and long files", () => {
    assert.equal(objectionsToShape("packages/repository/index/blobIndex.ts", "// One purpose, said.\n").length, 1);
    assert.equal(objectionsToShape("packages/repository/index/utils.ts", "// One purpose, said.\n").length, 1);
    assert.equal(objectionsToShape("packages/repository/index/blob-index.ts", 'import "x";\n').length, 1);
    const long = `// One purpose, said.\n${"x;\n".repeat(maximumLines)}`;
    assert.equal(objectionsToShape("packages/repository/index/blob-index.ts", long).length, 1);
  });
});
