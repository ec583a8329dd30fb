// Secrets: contents, names and passwords appear nowhere in clear, and nothing is readable by others.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { expectStatus, mainFile, run } from "./support/programs.ts";
import { noise } from "./support/sample-tree.ts";
import { Workplace } from "./support/workplace.ts";

const contentCanary = "canary-of-the-content-7d1f0c2a";
const nameCanary = "canary-of-the-name-93be55d0";
const passwordCanary = "canary of the password 5c08 e1";
const canaries = [contentCanary, nameCanary, passwordCanary];

describe("secrets", () => {
  const place = new Workplace("secrets");
  before(() => {
    place.environment["RESTIC_PASSWORD"] = passwordCanary;
    place.write("source/.env", `TOKEN=${contentCanary}\n`.repeat(50));
    place.write(`source/${nameCanary}/file`, "content");
    place.write("source/large", Buffer.concat([noise("secrets", 3_000_000), Buffer.from(contentCanary)]));
    place.write("password file", `${passwordCanary}\n`);
  });
  after(() => place[Symbol.dispose]());

  it("R312: nothing that is made has rights for others, whatever the umask", () => {
    const words = ["-r", place.repository, "--password-file", place.at("password file")];
    const program = `${JSON.stringify(process.execPath)} ${JSON.stringify(mainFile)}`;
    const shell = (verb: string): void => {
      const script = `umask 0; exec ${program} repo ${verb} "$@"`;
      const options = { cwd: place.directory, environment: place.environment };
      expectStatus(run("sh", ["-c", script, "sh", ...words], options), 0);
    };
    shell("init");
    shell("backup source");
    shell("snapshots");
    shell(`restore latest --target ${JSON.stringify(place.at("restored"))}`);
    for (const folder of [place.repository, place.cacheDirectory]) {
      const found = expectStatus(run("find", [folder, "-mindepth", "1", "-perm", "/077"]), 0).stdout.toString();
      assert.equal(found, "");
    }
    assert.equal(statSync(place.repository).mode & 0o777, 0o700);
    assert.equal(statSync(place.at("restored")).mode & 0o777, 0o700);
    assert.ok(place.storeFiles().length > 4);
  });

  it("R023 R054 R180: no canary stands in any file of the repository or the cache", () => {
    place.backup("--force", "source");
    const files = [place.repository, place.cacheDirectory].flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name)),
    );
    assert.ok(files.length > 6);
    for (const file of files) {
      const bytes = readFileSync(file);
      for (const canary of canaries) {
        assert.ok(!bytes.includes(canary), `${canary} in ${file}`);
        assert.ok(
          !bytes.includes(Buffer.from(canary).toString("base64").slice(0, 20)),
          `${canary} in base64 in ${file}`,
        );
      }
    }
    assert.ok(readFileSync(place.at("source", ".env")).includes(contentCanary), "the search finds it where it is");
  });

  it("R054: what is stored looks like noise", () => {
    for (const file of place.storeFiles("data").filter(({ sizeBytes }) => sizeBytes > 100_000)) {
      assert.ok(entropyBits(readFileSync(file.path)) > 7.99, file.name);
    }
    assert.ok(entropyBits(Buffer.from("text that is no noise ".repeat(9000))) < 4);
  });

  it("prints neither passwords nor contents, when all goes well and when it does not", async () => {
    const address = `rest:http://user:${encodeURIComponent(passwordCanary)}@127.0.0.1:9/`;
    const unreachable = place.start(["-r", address, "snapshots"]);
    const wrong = { ...place.environment, RESTIC_PASSWORD: `${passwordCanary}, wrong` };
    const outcomes = [
      place.holdfast(["backup", "-vvv", "source"]),
      place.holdfast(["check", "--json"]),
      place.holdfast(["restore", "latest", "-vvv", "--target", place.at("password file", "below a file")]),
      place.holdfast(["snapshots"], { environment: wrong }),
    ];
    unreachable.kill("SIGINT"); // it would try for minutes
    outcomes.push(await unreachable.ended());
    assert.match(outcomes.at(-1)?.stderr ?? "", /127\.0\.0\.1:9/);
    for (const { command, stdout, stderr } of outcomes) {
      for (const secret of [contentCanary, passwordCanary, encodeURIComponent(passwordCanary)]) {
        assert.ok(!(stdout.toString() + stderr).includes(secret), command);
      }
    }
  });

  it("shows no path and no password in the list of processes, and hands none to the programs it runs", async () => {
    const words = ["repo", "-r", place.repository, "backup", "--stdin-from-command", "--", "sleep", "1"];
    const running = place.startProgram(process.execPath, [mainFile, ...words]);
    let looks = 0;
    let own = "";
    while (running.child.exitCode === null && running.child.signalCode === null) {
      for (const commandLine of commandLines()) {
        looks++;
        for (const canary of canaries) assert.ok(!commandLine.includes(canary), commandLine);
      }
      own = commandLineOf(running.pid) || own;
      await setImmediate();
    }
    expectStatus(await running.ended(), 0);
    assert.ok(looks > 100);
    assert.match(own, /^holdfast\0*$/, "the words of the command line are gone once it runs");
  });
});

function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLineOf(pid));
}

function commandLineOf(pid: string | number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // it has ended meanwhile
  }
}

/** Shannon entropy of the bytes, in bits a byte. */
function entropyBits(bytes: Buffer): number {
  const counts = new Array<number>(256).fill(0);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  const shares = counts.filter((count) => count > 0).map((count) => count / bytes.length);
  return -shares.reduce((sum, share) => sum + share * Math.log2(share), 0);
}
