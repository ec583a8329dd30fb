// `holdfast status` as a program: what is known of a stack, and what to do about it.
import assert from "node:assert/strict";
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { expectStatus, mainFile, message, run } from "./support/programs.ts";
import { partialPoint, smallPlace, type Json } from "./support/stack-points.ts";

describe("status", () => {
  it("R203, R323: a stack that never ran is not good and says what to do; after the first backup it is", () => {
    using place = smallPlace("stack-status");
    const never = place.ends(1, "status").stdout.toString();
    assert.match(never, /never backed up[^]*→ run `holdfast backup app`/);
    assert.match(never, /stored +no good recovery point/);
    const id = place.point();
    const shown = place.ends(0, "status").stdout.toString();
    assert.match(shown, new RegExp(`ran +.*: good\n +stored +.*${id.slice(0, 8)} in local`));
    assert.match(shown, /verified +never on this host\n +proven +never\n/);
    const json = message(place.ends(0, "status", "--json"), "stack_status");
    assert.equal((json["stored"] as Json)["snapshot_id"], id);
    assert.deepEqual([json["verified"], json["proven"], json["overdue"]], [null, null, []]);
  });

  it("R323: no configuration, no repository, a wrong password, a missing folder: each is named with its remedy", () => {
    using place = smallPlace("stack-diagnosis");
    place.point();
    const nowhere = run(process.execPath, [mainFile, "status", "-c", place.at("none.yml")], {
      environment: place.environment,
    });
    assert.match(expectStatus(nowhere, 2).stderr, /none\.yml/);
    const repository = (url: string, file: string): Record<string, object> => ({
      repositories: { local: { url, password_file: file } },
    });
    place.configure(place.sources, repository(place.at("elsewhere"), place.passwordFile));
    const missing = place.ends(10, "status").stdout.toString();
    assert.match(missing, /the repository local cannot be opened: there is no repository at .*elsewhere\n +→ /);
    assert.match(missing, /stored +not known/);
    const wrong = place.write("wrong", "another password\n");
    chmodSync(wrong, 0o600);
    place.configure(place.sources, repository(place.repository, wrong));
    assert.match(place.ends(12, "status").stdout.toString(), /wrong password[^]*→ /);
    place.configure();
    renameSync(place.application.uploads, place.at("gone"));
    const { stdout } = place.ends(0, "status");
    assert.match(stdout.toString(), /the source uploads: .*uploads does not exist\n +→ /);
  });

  it("R324: what is older than it may be is overdue, and the exit code says so", async () => {
    using place = smallPlace("stack-overdue");
    const prove = (rpo: string): void => {
      const plans = { daily: { to: { local: {} } } };
      place.configure(place.sources, {}, { app: { sources: place.sources, plans, prove: { rpo } } });
    };
    prove("1h");
    place.point();
    place.ends(0, "status");
    prove("1s");
    await setTimeout(1500);
    const { stdout } = place.ends(1, "status");
    assert.match(stdout.toString(), /overdue +backup\n.*newest good recovery point \(rpo: 1 second\) is .* old\n +→ /);
  });

  it("a failed run and a newer partial recovery point make it fail, with the reason", () => {
    using place = smallPlace("stack-failed");
    const good = place.point();
    const partial = partialPoint(place);
    const shown = place.ends(1, "status").stdout.toString();
    assert.match(shown, new RegExp(`stored +.*${good.slice(0, 8)}`));
    assert.match(shown, new RegExp(`${partial.slice(0, 8)}, is partial: database: .*not exist`));
    assert.match(shown, /its last backup failed: database: .*not exist/);
  });

  it("verified is said after everything was read back, and no sooner", () => {
    using place = smallPlace("stack-verified");
    const id = place.point();
    place.ends(0, "check");
    const verified = (): unknown => message(place.ends(0, "status", "--json"), "stack_status")["verified"];
    assert.equal(verified(), null);
    place.ends(0, "check", "--read-data");
    assert.equal((verified() as Json)["snapshot_id"], id);
  });

  it("one stack that is good does not speak for another", () => {
    using place = smallPlace("stack-two");
    const other = place.write("other", "other\n");
    const plans = { daily: { to: { local: {} } } };
    place.configure(place.sources, {}, { other: { sources: { one: { files: [other] } }, plans } });
    place.point();
    assert.match(place.ends(1, "status").stdout.toString(), /other[^]*never backed up/);
    place.ends(0, "status", "app");
    place.ends(0, "backup", "other");
    place.ends(0, "status");
    writeFileSync(place.at("holdfast.yml"), "stacks: {");
    place.ends(2, "status");
  });
});
