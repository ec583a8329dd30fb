// Captures by a user who may read the database and nothing more.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Witnessed } from "../source.ts";
import { compareCopy, dump, makeDatabase, Workplace } from "./sqlite-fixture.ts";

/** Changing to this user needs root. */
const nobody = 65534;
const workplace = new Workplace();
after(() => workplace[Symbol.dispose]());
chmodSync(workplace.directory, 0o755);
const copies = workplace.path("copies");
mkdirSync(copies);
chmodSync(copies, 0o777);

const items = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item VALUES (1, 'one'), (2, 'two');";

function captureAsNobody(path: string, copy: string): Witnessed {
  const script = fileURLToPath(new URL("capturer-fixture.ts", import.meta.url));
  const flags = ["--disable-warning=ExperimentalWarning"];
  const text = execFileSync(process.execPath, [...flags, script, path, copy], { uid: nobody, gid: nobody, env: {} });
  return JSON.parse(text.toString()) as Witnessed;
}

describe("a user who may only read", () => {
  for (const journal of ["wal", "delete"]) {
    it(`captures a database that nobody has open, and makes no files beside it (${journal})`, async () => {
      const path = workplace.path(`closed-${journal}.db`);
      makeDatabase(path, `PRAGMA journal_mode = ${journal}; ${items}`);
      const copy = `${copies}/closed-${journal}`;
      const witnessed = captureAsNobody(path, copy);
      assert.ok(readFileSync(copy).equals(readFileSync(path)));
      assert.deepEqual(await compareCopy(path, witnessed, copy), []);
      const beside = readdirSync(workplace.directory).filter((name) => name.startsWith(`closed-${journal}.db`));
      assert.deepEqual(beside, [`closed-${journal}.db`]);
    });
  }

  it("captures a database that its application has open, with its log", async () => {
    const path = workplace.path("open.db");
    const application = new DatabaseSync(path);
    application.exec(`PRAGMA journal_mode = wal; ${items}`);
    const copy = `${copies}/open`;
    const witnessed = captureAsNobody(path, copy);
    assert.equal(dump(copy, "immutable"), dump(path));
    assert.deepEqual(await compareCopy(path, witnessed, copy), []);
    application.close();
  });

  it("says what to do about a database that cannot be read", () => {
    const path = workplace.path("secret.db");
    makeDatabase(path, items);
    chmodSync(path, 0o600);
    assert.throws(
      () => captureAsNobody(path, `${copies}/secret`),
      (error: { stderr?: Buffer }) => /root or as the owner/.test(String(error.stderr)),
    );
  });
});
