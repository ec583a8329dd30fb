// From words to an invocation, an exit code, a password, a list of files.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { hasCode, type HoldfastError } from "@holdfast/repository";
import { exitCodeOf, exitCodes } from "../exit-codes.ts";
import { expandPattern, parseRawList, readFileLists } from "./file-lists.ts";
import { readGlobalOptions, type GlobalOptions } from "./global-options.ts";
import { givenPassword, weaknessWarning } from "./password.ts";
import { PasswordLine } from "./password-prompt.ts";
import { readPatternFiles } from "./pattern-files.ts";
import { parseCommandLine, type Invocation } from "./program.ts";
import { asHoldfastError } from "./run-command.ts";

let printed = "";
const parse = (...words: string[]): Promise<Invocation | null> => {
  printed = "";
  return parseCommandLine({ words, version: "1.2.3", stdout: { write: (text) => (printed += text) } });
};
const invoked = async (...words: string[]): Promise<Invocation> =>
  (await parse(...words)) ?? assert.fail("nothing was invoked");
const globalsOf = async (words: string[], environment: NodeJS.ProcessEnv = {}): Promise<GlobalOptions> =>
  readGlobalOptions((await invoked(...words)).globals, environment);

describe("the command line", () => {
  it("takes options before the verb and behind it", async () => {
    const globals = await globalsOf(["repo", "-r", "/a", "backup", "/src", "--password-file=p", "-vv", "--json"]);
    assert.deepEqual([globals.repository, globals.passwordFile, globals.verbosity, globals.json], ["/a", "p", 3, true]);
    const { words, options } = await invoked(
      "repo",
      "backup",
      "-e",
      "*.o",
      "/src",
      "-x",
      "/other",
      "--tag",
      "a,b",
      "--tag=c",
      "-nf",
    );
    assert.deepEqual(words, ["/src", "/other"]);
    const { exclude, oneFileSystem, tag, dryRun, force } = options as Record<string, unknown>;
    assert.deepEqual(
      { exclude, oneFileSystem, tag, dryRun, force },
      { exclude: ["*.o"], oneFileSystem: true, tag: ["a,b", "c"], dryRun: true, force: true },
    );
  });

  it("leaves alone what stands behind two dashes", async () => {
    const { words, globals } = await invoked(
      "repo",
      "backup",
      "-r",
      "x",
      "--stdin-from-command",
      "--",
      "pg_dump",
      "-r",
      "--json",
      "--",
      "-h",
    );
    assert.deepEqual(words, ["pg_dump", "-r", "--json", "--", "-h"]);
    assert.equal((globals as { repo: string }).repo, "x");
    assert.deepEqual((await invoked("repo", "backup", "--", "-odd")).words, ["-odd"]);
  });

  it("finds the verb among values and paths of the same name", async () => {
    const { words, options } = await invoked("repo", "backup", "list", "--tag", "check");
    assert.deepEqual(words, ["list"]);
    assert.deepEqual((options as { tag: string[] }).tag, ["check"]);
  });

  it("says what is wrong", async () => {
    const wrong = async (...words: string[]): Promise<HoldfastError> => {
      try {
        await parse(...words);
      } catch (error) {
        return asHoldfastError(error);
      }
      return assert.fail("this is no error");
    };
    assert.match((await wrong("repo", "backup", "--exlude", "x")).hint, /--exclude/);
    assert.match((await wrong("repo", "bakcup")).message, /bakcup/);
    assert.match((await wrong("repo", "init", "-r")).message, /argument missing/);
    assert.equal((await wrong("nothing")).code, "usage");
  });

  it("prints an overview, help and the version", async () => {
    assert.equal(await parse(), null);
    assert.match(printed, /A first backup/);
    assert.equal(await parse("repo"), null);
    assert.match(printed, /snapshots/);
    assert.equal(await parse("--version"), null);
    assert.equal(printed, "1.2.3\n");
    assert.equal(await parse("repo", "backup", "--help"), null);
    assert.match(printed, /--one-file-system[^]*--repo[^]*Examples:/);
  });

  it("prefers options to the environment", async () => {
    const environment = {
      RESTIC_REPOSITORY: "/env",
      RESTIC_PASSWORD_FILE: "/envfile",
      RESTIC_PASSWORD: "secret",
      RESTIC_CACERT: "a,b",
    };
    assert.equal((await globalsOf(["repo", "ls"], environment)).repository, "/env");
    const given = await globalsOf(["repo", "ls", "--repository-file", "f", "--password-command", "c"], environment);
    assert.deepEqual(
      [given.repository, given.repositoryFile, given.passwordFile, given.password],
      [undefined, "f", undefined, undefined],
    );
    assert.deepEqual(given.certificateFiles, ["a", "b"]);
    const switches = await globalsOf(["repo", "ls", "--no-lock", "--no-cache", "--retry-lock", "5m", "--verbose=2"]);
    assert.deepEqual(
      [switches.noLock, switches.noCache, switches.retryLockMs, switches.verbosity],
      [true, true, 300_000, 3],
    );
    await assert.rejects(globalsOf(["repo", "ls", "-q", "-v"]), (error) => hasCode(error, "usage"));
  });
});

describe("exit codes", () => {
  it("are those of the design", () => {
    assert.deepEqual(exitCodes, {
      done: 0,
      failed: 1,
      usage: 2,
      partial: 3,
      repositoryMissing: 10,
      locked: 11,
      wrongPassword: 12,
      interrupted: 130,
    });
    assert.equal(exitCodeOf("repository-missing"), 10);
    assert.equal(exitCodeOf("locked"), 11);
    assert.equal(exitCodeOf("wrong-password"), 12);
    assert.equal(exitCodeOf("usage"), 2);
    assert.equal(exitCodeOf("interrupted"), 130);
    for (const code of ["damaged", "not-found", "storage", "internal", "source", "no-space"] as const)
      assert.equal(exitCodeOf(code), 1);
  });
});

describe("files of the command line", () => {
  let root: string;
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(root, name), content);
    return join(root, name);
  };
  before(() => (root = mkdtempSync(join(tmpdir(), "holdfast-words-"))));
  after(() => rmSync(root, { recursive: true }));

  const password = async (words: string[], environment: NodeJS.ProcessEnv = {}): Promise<string | undefined> =>
    givenPassword(await globalsOf(["repo", "ls", ...words], environment), environment)?.toString("latin1");

  it("give passwords without the white space around them", async () => {
    assert.equal(await password(["-p", file("p1", "  geheim \r\n")]), "geheim");
    assert.equal(await password(["-p", file("p2", Buffer.from("\ufeffgeheim\n", "utf16le"))]), "geheim");
    assert.equal(await password(["-p", file("p3", Buffer.from([0xff, 0x20, 0xfe, 0x0a]))]), "\xff \xfe");
    assert.equal(await password([], { RESTIC_PASSWORD: " kept " }), " kept ");
    assert.equal(await password(["--password-command", "printf '%s\\n' 'a b'"], process.env), "a b");
    assert.equal(await password([]), undefined);
    assert.equal(await password(["--insecure-no-password"]), "");
  });

  it("refuse passwords that are empty, doubled or not to be had", async () => {
    const refused = (words: string[]): Promise<void> =>
      assert.rejects(password(words, process.env), (error) => hasCode(error, "usage"));
    await refused(["-p", file("empty", "\n")]);
    await refused(["-p", "x", "--password-command", "y"]);
    await refused(["--insecure-no-password", "-p", file("p4", "x")]);
    await refused(["-p", join(root, "missing")]);
    await refused(["--password-command", "false"]);
    await assert.rejects(
      password(["--password-command", "/no/such hunter2"], process.env),
      (error: Error) => !error.message.includes("hunter2"),
    );
  });

  it("give patterns with variables", () => {
    const path = file("patterns", "# a comment\n\n  *.tmp  \n$HOME/x\n${EMPTY}/y\n$$z\n!keep\r\n");
    assert.deepEqual(readPatternFiles([path], "--exclude-file", { HOME: "/h" }), [
      "*.tmp",
      "/h/x",
      "/y",
      "$z",
      "!keep",
    ]);
    assert.throws(
      () => readPatternFiles([file("latin1", Buffer.from([0xe9]))], "--exclude-file", {}),
      (error) => hasCode(error, "usage"),
    );
  });

  it("give lists of files in three ways", () => {
    mkdirSync(join(root, "tree"));
    for (const name of ["b.txt", "a.txt", "c.md", "d.à"]) file(`tree/${name}`, "");
    const warnings: string[] = [];
    const paths = readFileLists(
      {
        filesFrom: [file("globs", `# list\n ${root}/tree/*.txt \n${root}/none*\n${root}/tree/d.à`)],
        filesFromVerbatim: [file("lines", `${root}/tree/*.md\n\n# x\n`)],
        filesFromRaw: [file("raw", Buffer.from("/r\n1\0/r\xff\0", "latin1"))],
      },
      (message) => warnings.push(message),
    ).map((path) => path.toString("latin1"));
    assert.deepEqual(paths, [
      `${root}/tree/a.txt`,
      `${root}/tree/b.txt`,
      `${root}/tree/d.\xc3\xa0`,
      `${root}/tree/*.md`,
      "# x",
      "/r\n1",
      "/r\xff",
    ]);
    assert.equal(warnings.length, 1);
    assert.deepEqual(expandPattern(`${root}/*/c.md`), [`${root}/tree/c.md`]);
    for (const list of ["/a", "/a\0\0"])
      assert.throws(
        () => parseRawList(Buffer.from(list)),
        (error) => hasCode(error, "usage"),
      );
  });
});

describe("typed passwords", () => {
  const typed = (...keys: number[]): PasswordLine => {
    const line = new PasswordLine();
    line.add(Buffer.from(keys));
    return line;
  };
  it("can be corrected", () => {
    assert.equal(typed(0x61, 0xc3, 0xbc, 0x7f, 0x62).content.toString(), "ab");
    assert.equal(typed(0x61, 0x62, 0x15, 0x63).content.toString(), "c");
    assert.equal(typed(0x7f, 0x61).content.toString(), "a");
  });
  it("end with the line, and with Control-C", () => {
    const line = new PasswordLine();
    assert.equal(line.add(Buffer.from("ab")), null);
    assert.equal(line.add(Buffer.from("c\nnext"))?.toString(), "next");
    assert.equal(line.content.toString(), "abc");
    assert.throws(
      () => typed(0x61, 0x03),
      (error) => hasCode(error, "interrupted"),
    );
  });
  it("are warned about when they are weak", () => {
    assert.match(weaknessWarning("hunter2") ?? "", /can be guessed/);
    assert.equal(weaknessWarning("correct horse battery staple"), null);
    assert.equal(weaknessWarning(""), null);
  });
});
