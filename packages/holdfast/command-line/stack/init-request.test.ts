// What `holdfast init` is to make: from options and answers, and the texts that come of it.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { hasCode } from "@holdfast/repository";
import fc from "fast-check";
import { ConfigurationFixture, linesOf } from "../../configuration/configuration-fixture.ts";
import { askWishes } from "./init-questions.ts";
import { initRequest, type Host, type InitWishes } from "./init-request.ts";
import { configurationText, recoverySheetText } from "./init-texts.ts";

const none: InitWishes = {
  repository: undefined,
  sqlite: undefined,
  files: [],
  stack: undefined,
  directory: undefined,
};
const root: Host = { environment: {}, uid: 0, workingDirectory: "/work" };
const user: Host = { environment: { HOME: "/home/me" }, uid: 1000, workingDirectory: "/home/me/app" };

describe("what init makes", () => {
  const fixture = new ConfigurationFixture();
  after(() => fixture[Symbol.dispose]());

  it("has defaults for everything", () => {
    const { directory, first } = initRequest(none, root);
    assert.equal(directory, "/etc/holdfast");
    assert.deepEqual(first, {
      stack: "main",
      repositoryName: "local",
      url: "/var/backups/holdfast",
      keyFile: "/etc/holdfast/key",
      sqlite: null,
      files: ["/etc"],
      exclude: [],
    });
    const ofUser = initRequest(none, user);
    assert.equal(ofUser.directory, "/home/me/.config/holdfast");
    assert.equal(ofUser.first.url, "/home/me/.local/state/holdfast-repository");
    assert.deepEqual(ofUser.first.files, ["/home/me"]);
    assert.deepEqual(ofUser.first.exclude, [
      "/home/me/.local/state/holdfast",
      "/home/me/.local/state/holdfast-repository",
      "/home/me/.cache",
    ]);
  });

  it("R100: leaves out the repository, the state and the database where folders contain them", () => {
    const wishes = { ...none, repository: "backup", sqlite: "db/[a].db", files: [".", "/srv"], directory: "conf" };
    const { directory, first } = initRequest(wishes, {
      ...user,
      environment: { HOME: "/home/me", XDG_STATE_HOME: "/srv/s" },
    });
    assert.equal(directory, "/home/me/app/conf");
    assert.deepEqual(
      [first.url, first.sqlite, first.files],
      ["/home/me/app/backup", "/home/me/app/db/[a].db", ["/home/me/app", "/srv"]],
    );
    const database = String.raw`/home/me/app/db/\[a].db`;
    assert.deepEqual(
      first.exclude.map((each) => each.replaceAll(String.raw`\]`, "]")),
      ["/srv/s/holdfast", "/home/me/app/backup", database, `${database}-wal`, `${database}-shm`, `${database}-journal`],
    );
    writeFileSync(fixture.file, configurationText(first, new Date(0)));
    const { problems } = fixture.read(configurationText(first, new Date(0)));
    assert.deepEqual(linesOf(problems, "error").concat(linesOf(problems, "warning")), []);
  });

  it("is refused where it cannot be", () => {
    const refused = (wishes: Partial<InitWishes>): string => {
      try {
        initRequest({ ...none, ...wishes }, root);
        return "accepted";
      } catch (error) {
        assert.ok(hasCode(error, "usage"), String(error));
        return error.message;
      }
    };
    assert.match(refused({ repository: "s3:https://h/b" }), /--repository is not yet supported/);
    assert.match(
      refused({ repository: "rest:https://me:CANARY@h/" }),
      /^--repository must not contain a user or a password/,
    );
    assert.match(refused({ stack: "Main" }), /--stack: "Main" is no name/);
    assert.match(refused({ stack: "holdfast-x" }), /reserved/);
    assert.match(refused({ repository: "/srv/b", files: ["/srv/b/x"] }), /lies in the repository/);
    assert.equal(refused({ repository: "rest:https://h/", files: ["/"] }), "accepted");
  });

  it("R111: writes every path so that it is read back as it is", () => {
    const path = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) => !text.includes("\0"));
    const awkward = fc.constantFrom(
      "a b",
      "${HOME}",
      "$${X}",
      "a: b",
      "#x",
      "'q'",
      '"q"',
      "\\",
      "*.tmp",
      "-",
      "[x]",
      "é\u2028",
      "\ttab",
      "\nline",
      "\u0085",
      "🙂",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(path, awkward), { minLength: 2, maxLength: 4 }), (names) => {
        const [url, sqlite, ...files] = names.map((name, index) => `/${index}/${name.replaceAll("/", "_")}`) as [
          string,
          string,
          ...string[],
        ];
        const first = {
          stack: "main",
          repositoryName: "local",
          url,
          keyFile: `${url}.key`,
          sqlite,
          files,
          exclude: ["*.o"],
        };
        const { configuration, problems } = fixture.read(configurationText(first, new Date(0)));
        assert.deepEqual(linesOf(problems, "error"), []);
        assert.equal(configuration?.repositories.get("local")?.url, url);
        assert.deepEqual(configuration.repositories.get("local")?.password, { file: `${url}.key` });
        const { sources } = configuration.stacks.get("main") ?? assert.fail();
        assert.deepEqual(sources.get("database")?.kind.paths(sources.get("database")?.options), [sqlite]);
        if (files.length > 0) assert.deepEqual(sources.get("files")?.options, { paths: files, exclude: ["*.o"] });
      }),
      { numRuns: 200 },
    );
  });

  it("puts address and key on the recovery sheet, and says where it belongs", () => {
    const sheet = {
      url: "/srv/my backups",
      repositoryId: "ab",
      keyFile: "/k",
      key: "the-key",
      host: "alpha",
      stacks: ["main"],
    };
    const text = recoverySheetText(sheet, new Date(0));
    assert.match(text, /MOVE THIS SHEET OFF THE MACHINE/);
    assert.match(text, /Key {10}the-key/);
    assert.match(text, /restic -r '\/srv\/my backups' -p \/tmp\/key restore latest --tag stack:main/);
    const several = recoverySheetText({ ...sheet, stacks: ["main", "mail"] }, new Date(0));
    assert.match(several, /holdfast repo -r .* --tag stack:mail --target \/tmp\/restored\/mail/);
  });
});

describe("the questions of init", () => {
  const ask = (lines: string, wishes: Partial<InitWishes> = {}): Promise<InitWishes> => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    output.resume();
    const answered = askWishes(
      { ...none, ...wishes },
      { input, output, signal: new AbortController().signal, defaultRepository: "/def" },
    );
    // A person types the next line when asked.
    const rest = lines.split("\n");
    output.on("data", (text: Buffer) => {
      if (!/[:] $/.test(text.toString())) return;
      const next = rest.shift();
      if (next === undefined) input.end();
      else input.write(`${next}\n`);
    });
    return answered;
  };

  it("tell databases from files, and ask again for what does not exist", async () => {
    const fixture = new ConfigurationFixture();
    try {
      const database = fixture.path("app.db");
      writeFileSync(database, "SQLite format 3\0 and more");
      const text = fixture.path("text");
      writeFileSync(text, "SQLite");
      assert.deepEqual(await ask(`\n\n/none\n${database}\n${text}\n${fixture.directory}\n\nshop`), {
        ...none,
        repository: "/def",
        sqlite: database,
        files: [text, fixture.directory],
        stack: "shop",
      });
      const told = { repository: "/r", files: ["/etc"] };
      assert.deepEqual(await ask("", told), { ...none, ...told, stack: "main" });
    } finally {
      fixture[Symbol.dispose]();
    }
  });

  it("end when nobody answers any more", async () => {
    await assert.rejects(ask("/r"), (error) => hasCode(error, "interrupted"));
  });
});
