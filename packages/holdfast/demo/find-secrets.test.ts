// A secret is found wherever it stands in plain text.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { rawPath } from "../filesystem/raw-path.ts";
import { findSecrets } from "./find-secrets.ts";

it("finds a secret in the output and in any file", async () => {
  const base = mkdtempSync(join(tmpdir(), "holdfast-secrets-"));
  try {
    mkdirSync(join(base, "a", "b"), { recursive: true });
    writeFileSync(join(base, "a", "plain"), "nothing here");
    const { signal } = new AbortController();
    const find = (output: string): Promise<string | null> =>
      findSecrets(["first", "second"], [rawPath(base)], output, signal);
    assert.equal(await find("nothing said"), null);
    assert.equal(await find("said: second"), "the output");
    const file = join(base, "a", "b", "binary");
    writeFileSync(file, Buffer.concat([Buffer.alloc(100_000, 0xff), Buffer.from("xfirstx")]));
    assert.equal(await find("nothing said"), file);
  } finally {
    rmSync(base, { recursive: true });
  }
});
