// Addresses: what is understood, what is refused, and that no message shows a password.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { HoldfastError, hasCode } from "../errors.ts";
import { LocalStorage } from "./local.ts";
import { openStorage, parseLocation } from "./location.ts";
import { RestStorage } from "./rest.ts";

describe("parseLocation", () => {
  it("understands paths", () => {
    const here = process.cwd();
    const paths: Readonly<Record<string, string>> = {
      "/srv/backup": "/srv/backup",
      "local:/srv/backup": "/srv/backup",
      "local:relative": `${here}/relative`,
      "./with:colon": `${here}/with:colon`,
      "/srv/a:b": "/srv/a:b",
      relative: `${here}/relative`,
      "local:s3:odd": `${here}/s3:odd`,
    };
    for (const [text, path] of Object.entries(paths)) {
      assert.deepEqual(parseLocation(text), { scheme: "local", path, printable: path });
    }
  });

  it("understands REST addresses, and hides what is secret", () => {
    const plain = parseLocation("rest:https://example.org:8443/a/b");
    assert.equal(plain.printable, "rest:https://example.org:8443/a/b/");
    assert.deepEqual({ ...plain, url: "" }, { scheme: "rest", url: "", printable: plain.printable });

    const named = parseLocation("rest:http://me%40home:p%2Fw:d@[::1]:8000/");
    assert.ok(named.scheme === "rest");
    assert.deepEqual([named.user, named.password, named.url.href], ["me@home", "p/w:d", "http://[::1]:8000/"]);
    assert.equal(named.printable, "rest:http://me%40home:***@[::1]:8000/");
    assert.equal(parseLocation("rest:http://me@host/").printable, "rest:http://me@host/");
  });

  it("names the scheme that it does not know, and those that it does", () => {
    for (const scheme of ["s3", "sftp", "b2", "rclone", "azure", "gs", "swift", "file"]) {
      assert.throws(
        () => parseLocation(`${scheme}:https://user:s3cret@host/bucket`),
        (error) =>
          hasCode(error, "unsupported") &&
          error.message.includes(`"${scheme}:"`) &&
          error.hint.includes("rest:http") &&
          !inspect(error).includes("s3cret"),
      );
    }
  });

  it("refuses what is no address, without repeating it", () => {
    const wrong = [
      "",
      "local:",
      "rest:",
      "rest:ftp://s3cret@host/",
      "rest://s3cret@host/",
      "rest:http://",
      "rest:host:s3cret",
      "rest:http://u:%zzs3cret@host/",
      "rest:http://u:s3cret@host:99999/",
      "rest:http://host/?s3cret",
      "a\0b",
    ];
    for (const text of wrong) {
      assert.throws(
        () => parseLocation(text),
        (error) => error instanceof HoldfastError && error.code === "usage" && !inspect(error).includes("s3cret"),
        text,
      );
    }
  });
});

describe("openStorage", () => {
  it("opens what the address says", async () => {
    const local = openStorage(parseLocation("/srv/backup"));
    const rest = openStorage(parseLocation("rest:http://me:s3cret@127.0.0.1:1/x"));
    assert.ok(local instanceof LocalStorage && rest instanceof RestStorage);
    assert.deepEqual([local.location, rest.location], ["/srv/backup", "rest:http://127.0.0.1:1/x/"]);
    await rest.close();
  });
});
