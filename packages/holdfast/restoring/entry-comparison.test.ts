// Every way in which a restored entry can differ from what was captured is found and said. Runs as root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findNode, hasCode, openLibc, type Repository, type StoredSnapshot } from "@holdfast/repository";
import { bytes, capture, openRepository, partOf, sourceName, Workplace } from "./restoring-fixture.ts";

const place = new Workplace();
const source = place.at("source");
const copies = place.at("copies");
const large = randomBytes(6_000_000);
const libc = openLibc();
let repository: Repository;
let snapshot: StoredSnapshot;
let next = 0;

before(async () => {
  fs.mkdirSync(copies);
  fs.mkdirSync(join(source, "sub", "empty"), { recursive: true });
  fs.writeFileSync(join(source, "large"), large);
  fs.writeFileSync(join(source, "sub", "small"), "small");
  fs.linkSync(join(source, "sub", "small"), join(source, "sub", "twin"));
  fs.symlinkSync("small", join(source, "sub", "link"));
  execFileSync("mkfifo", [join(source, "pipe")]);
  execFileSync("mknod", [join(source, "device"), "c", "1", "3"]);
  libc.setxattr(Buffer.from(source, "utf8"), Buffer.from("user.note"), Buffer.from("value"));
  execFileSync("find", [source, "-exec", "touch", "-h", "-d", "2001-02-03 04:05:06.123456789", "{}", "+"]);
  repository = await openRepository(place.at("repository"), "create");
  snapshot = await capture(repository, [Buffer.from(source)]);
});

after(async () => {
  await repository[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

/** A copy with all metadata, changed; the times of what is named are set back afterwards. */
async function differencesAfter(change: (copy: string) => void, touched: readonly string[] = []): Promise<string[]> {
  const copy = join(copies, String(next++));
  execFileSync("cp", ["-a", source, copy]);
  change(copy);
  for (const name of touched) touch(join(copy, name), "123456789");
  const found = await partOf(repository, snapshot).compare(Buffer.from(source), Buffer.from(copy));
  return found.map(({ what, problem }) => `${what.slice(source.length)}: ${problem}`);
}

function touch(path: string, nanoseconds: string): void {
  execFileSync("touch", ["-h", "-d", `2001-02-03 04:05:06.${nanoseconds}`, path]);
}

const cases: readonly {
  readonly what: string;
  readonly change: (copy: string) => void;
  readonly touched?: readonly string[];
  readonly expected: readonly (string | RegExp)[];
}[] = [
  { what: "nothing", change: () => undefined, expected: [] },
  {
    what: "a missing file",
    change: (copy) => fs.unlinkSync(join(copy, "large")),
    touched: [""],
    expected: ["/large: is missing"],
  },
  {
    what: "a missing folder, once with what is in it",
    change: (copy) => fs.rmSync(join(copy, "sub"), { recursive: true }),
    touched: [""],
    expected: ["/sub: is missing"],
  },
  {
    what: "all of it missing",
    change: (copy) => fs.rmSync(copy, { recursive: true }),
    expected: [": is missing"],
  },
  {
    what: "additional entries, in an empty folder too",
    change: (copy) => {
      fs.writeFileSync(bytes(copy, "/sub/empty/more\n", [0xff]), "");
      fs.mkdirSync(join(copy, "more", "below"), { recursive: true });
    },
    touched: ["sub/empty", ""],
    expected: ["/sub/empty/more\\x0a\\xff: is not in the snapshot", "/more: is not in the snapshot"],
  },
  {
    what: "another type",
    change: (copy) => {
      fs.unlinkSync(join(copy, "pipe"));
      fs.symlinkSync("large", join(copy, "pipe"));
      fs.rmSync(join(copy, "sub"), { recursive: true });
      fs.writeFileSync(join(copy, "sub"), "");
    },
    touched: [""],
    expected: ["/pipe: is a link instead of a pipe", "/sub: is a file instead of a folder"],
  },
  {
    what: "another size",
    change: (copy) => fs.appendFileSync(join(copy, "large"), "x"),
    touched: ["large"],
    expected: ["/large: has 6000001 bytes instead of 6000000"],
  },
  {
    what: "one changed byte of the same size and time",
    change: (copy) => {
      const changed = Buffer.from(large);
      changed[5_999_999]! ^= 1;
      fs.writeFileSync(join(copy, "large"), changed);
    },
    touched: ["large"],
    expected: [/^\/large: has other content between the bytes \d+ and 6000000$/],
  },
  {
    what: "another mode of a file and of the entry itself",
    change: (copy) => {
      fs.chmodSync(join(copy, "large"), 0o4600);
      fs.chmodSync(copy, 0o1700);
    },
    expected: [": has the mode 1700 instead of 755", "/large: has the mode 4600 instead of 644"],
  },
  {
    what: "another owner",
    change: (copy) => fs.lchownSync(join(copy, "sub", "link"), 12, 34),
    expected: ["/sub/link: belongs to 12:34 instead of 0:0"],
  },
  {
    what: "a time that is a nanosecond off",
    change: (copy) => touch(join(copy, "sub"), "123456788"),
    expected: [/^\/sub: was changed at .*\.123456788\S* instead of .*\.123456789/],
  },
  {
    what: "another target of a link",
    change: (copy) => {
      fs.unlinkSync(join(copy, "sub", "link"));
      fs.symlinkSync("twin", join(copy, "sub", "link"));
    },
    touched: ["sub", "sub/link"],
    expected: ["/sub/link: leads to twin instead of small"],
  },
  {
    what: "another device",
    change: (copy) => {
      fs.unlinkSync(join(copy, "device"));
      execFileSync("mknod", [join(copy, "device"), "c", "1", "5"]);
    },
    touched: ["", "device"],
    expected: ["/device: stands for another device"],
  },
  {
    what: "a hard link that became a file of its own",
    change: (copy) => {
      fs.unlinkSync(join(copy, "sub", "twin"));
      fs.copyFileSync(join(copy, "sub", "small"), join(copy, "sub", "twin"));
    },
    touched: ["sub", "sub/twin"],
    expected: [`/sub/twin: is a file of its own instead of another name of ${source}/sub/small`],
  },
  {
    what: "other extended attributes",
    change: (copy) => {
      libc.setxattr(Buffer.from(copy), Buffer.from("user.note"), Buffer.from("other"));
      libc.setxattr(Buffer.from(join(copy, "large")), Buffer.from("user.more"), Buffer.from("x"));
    },
    expected: [
      ": the extended attribute user.note differs",
      "/large: the extended attribute user.more is not in the snapshot",
    ],
  },
  {
    what: "a missing extended attribute",
    change: (copy) => libc.removexattr(Buffer.from(copy), Buffer.from("user.note")),
    expected: [": the extended attribute user.note is missing"],
  },
];

describe("comparing an entry with the snapshot", () => {
  for (const { what, change, touched, expected } of cases) {
    it(`R111: finds ${what}`, async () => {
      const found = await differencesAfter(change, touched);
      assert.equal(found.length, expected.length, found.join("\n"));
      for (const [i, each] of expected.entries()) {
        if (typeof each === "string") assert.equal(found[i], each);
        else assert.match(found[i]!, each);
      }
    });
  }

  it("lists a hundred differences and counts the rest", async () => {
    const found = await differencesAfter(
      (copy) => {
        for (let i = 0; i < 123; i++) fs.writeFileSync(join(copy, "sub", "empty", String(i)), "");
      },
      ["sub/empty"],
    );
    assert.equal(found.length, 101);
    assert.equal(found[100], ": and 23 more");
  });

  it("does not wait at a pipe, and needs no pack", async () => {
    const copy = join(copies, String(next++));
    execFileSync("cp", ["-a", source, copy]);
    const packless = place.at("packless");
    fs.cpSync(place.at("repository"), packless, { recursive: true });
    await using other = await openRepository(packless, "open");
    await other.loadTree(snapshot.tree);
    const part = partOf(other, snapshot);
    const data = execFileSync("find", [join(packless, "data"), "-size", "+1000k", "-type", "f"], { encoding: "utf8" });
    for (const pack of data.trim().split("\n")) fs.unlinkSync(pack);
    assert.deepEqual(await part.compare(Buffer.from(source), Buffer.from(copy)), []);
  });

  it("says that the snapshot is damaged when one of its trees is, instead of finding no difference", async () => {
    const damaged = place.at("damaged");
    fs.cpSync(place.at("repository"), damaged, { recursive: true });
    const { subtree } = (await findNode(repository, snapshot.tree, bytes(`/${sourceName}`, source, "/sub")))!;
    const [location] = (await repository.loadIndex()).locations(subtree!, "tree");
    const pack = join(damaged, "data", location!.pack.slice(0, 2), location!.pack);
    const content = fs.readFileSync(pack);
    content.fill(0x55, location!.offset, location!.offset + location!.lengthBytes);
    fs.chmodSync(pack, 0o600);
    fs.writeFileSync(pack, content);
    await using other = await openRepository(damaged, "open");
    await assert.rejects(partOf(other, snapshot).compare(Buffer.from(source), Buffer.from(source)), (error) =>
      hasCode(error, "damaged"),
    );
  });

  it("ends when it is told to", async () => {
    const end = new AbortController();
    end.abort();
    await assert.rejects(
      partOf(repository, snapshot, end.signal).compare(Buffer.from(source), Buffer.from(source)),
      (error) => hasCode(error, "interrupted"),
    );
  });
});
