// Hostile trees: snapshots made to write outside of the target. They are refused, and nothing escapes.
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Forgery, sha256 } from "./support/forged-repository.ts";
import type { ForgedNode } from "./support/forged-repository.ts";
import { Workplace } from "./support/workplace.ts";

/** Go's bits of a link. */
const linkMode = 0o777 + 2 ** 27;

describe("a snapshot that no honest program wrote", () => {
  const place = new Workplace("hostile");
  before(() => {
    place.init();
    place.write("outside/precious", "precious");
  });
  after(() => place[Symbol.dispose]());

  /** Restores `nodes` into an empty folder; how it ended, and that nothing outside of it has changed. */
  async function restored(
    name: string,
    make: (forgery: Forgery) => ForgedNode[],
  ): Promise<{ status: number | null; stderr: string; target: string }> {
    const forgery = new Forgery();
    const id = await forgery.store(place.repository, forgery.tree(make(forgery)));
    const target = place.at("targets", name.replaceAll(/[/\0]/g, "_"), "inner");
    mkdirSync(target, { recursive: true });
    const outcome = place.holdfast(["restore", id, "--target", target]);
    assert.equal(readFileSync(place.at("outside", "precious"), "utf8"), "precious");
    assert.deepEqual(readdirSync(place.at("outside")), ["precious"]);
    assert.deepEqual(readdirSync(`${target}/..`), ["inner"], "nothing beside the target");
    assert.ok(outcome.status === 0 || outcome.stderr.length > 0);
    return { status: outcome.status, stderr: outcome.stderr, target };
  }
  const file = (forgery: Forgery, name: string): ForgedNode => {
    const text = `hostile ${name}`;
    return { name, type: "file", size: text.length, content: [forgery.content(text)] };
  };

  for (const name of ["..", ".", "a/b", "../escaped", "/etc/hostile", "", "nul\u0000byte", "a/../../escaped"]) {
    it(`is refused for a name like ${JSON.stringify(name)}, as a file, a folder and a link`, async () => {
      for (const type of ["file", "dir", "symlink"]) {
        const { status, stderr } = await restored(`${name || "empty"} ${type}`, (forgery) => {
          if (type === "file") return [file(forgery, name)];
          if (type === "dir") return [{ name, type, subtree: forgery.tree([file(forgery, "inside")]) }];
          return [{ name, type, mode: linkMode, linktarget: place.at("outside") }];
        });
        assert.equal(status, 1, `${type}: ${stderr}`);
        assert.match(stderr, /forbidden name/);
      }
      assert.ok(!existsSync("/etc/hostile"));
    });
  }

  it("is restored when its names are honest, so the refusals above are not of the test's own making", async () => {
    const { status, stderr, target } = await restored("honest", (forgery) => [
      file(forgery, "a file"),
      { name: "b folder", type: "dir", subtree: forgery.tree([file(forgery, "inside")]) },
      { name: "c link", type: "symlink", mode: linkMode, linktarget: place.at("outside") },
    ]);
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(`${target}/b folder/inside`, "utf8"), "hostile inside");
    assert.equal(readlinkSync(`${target}/c link`), place.at("outside"));
  });

  it("does not write through a link that stands beside a folder of its name", async () => {
    const link = { name: "door", type: "symlink", mode: linkMode, linktarget: place.at("outside") };
    for (const order of ["link first", "folder first"]) {
      const { status, stderr } = await restored(`door ${order}`, (forgery) => {
        const folder = {
          name: "door",
          type: "dir",
          subtree: forgery.tree([file(forgery, "precious"), file(forgery, "new")]),
        };
        return order === "link first" ? [link, folder] : [folder, link];
      });
      assert.equal(status, 1, stderr);
    }
  });

  it("does not write through a link that lies in the target already", async () => {
    const forgery = new Forgery();
    const root = forgery.tree([{ name: "door", type: "dir", subtree: forgery.tree([file(forgery, "precious")]) }]);
    const id = await forgery.store(place.repository, root);
    const target = place.at("targets", "old link");
    mkdirSync(target, { recursive: true });
    symlinkSync(place.at("outside"), `${target}/door`);
    place.holdfast(["restore", id, "--target", target]);
    assert.equal(readFileSync(place.at("outside", "precious"), "utf8"), "precious");
  });

  it("does not write through a link that stands where a file belongs", async () => {
    const forgery = new Forgery();
    const id = await forgery.store(place.repository, forgery.tree([file(forgery, "door")]));
    const target = place.at("targets", "file link");
    mkdirSync(target, { recursive: true });
    symlinkSync(place.at("outside", "precious"), `${target}/door`);
    place.done("restore", id, "--target", target);
    assert.equal(readFileSync(place.at("outside", "precious"), "utf8"), "precious");
    assert.ok(lstatSync(`${target}/door`).isFile());
  });

  it("yields no wrong file when its lists lie about sizes and blobs", async () => {
    const { status, target } = await restored("sizes", (forgery) => [
      { name: "missing", type: "file", size: 5, content: [sha256(Buffer.from("nowhere"))] },
      { name: "short", type: "file", size: 1_000_000, content: [forgery.content("only this")] },
      file(forgery, "whole"),
    ]);
    assert.equal(status, 1);
    assert.equal(readFileSync(`${target}/whole`, "utf8"), "hostile whole");
    assert.ok(!existsSync(`${target}/missing`), "nothing under the name of a file that could not be read");
  });

  it("is named by check", async () => {
    using other = new Workplace("hostile-check");
    other.init();
    const forgery = new Forgery();
    const inner = forgery.tree([{ name: "../x", type: "file", size: 1, content: [forgery.content("x")] }]);
    await forgery.store(other.repository, forgery.tree([{ name: "folder", type: "dir", subtree: inner }]));
    const { verdict, findings } = other.check();
    assert.equal(verdict, "damaged");
    assert.ok(findings.some((finding) => String(finding["message"]).includes(inner)));
  });
});
