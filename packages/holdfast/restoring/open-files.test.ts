// Finds real processes by what they hold: descriptors, mappings, working in a container or not. Runs as root.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { after, describe, it } from "node:test";
import { openMappings } from "./memory-mappings.ts";
import { processesUsing } from "./open-files.ts";
import { bytes, Workplace } from "./restoring-fixture.ts";

const place = new Workplace();
const folder = place.at("folder");
const odd = bytes(folder, "/odd\n", [0xff]);
fs.mkdirSync(bytes(odd, "/below"), { recursive: true });
for (const name of ["plain", "mapped\nname", "contained"]) fs.writeFileSync(place.at("folder", name), "x".repeat(5000));
fs.writeFileSync(bytes(odd, "/below/deep"), "content");
fs.mkdirSync(place.at("folder2"));
fs.writeFileSync(place.at("folder2", "file"), "");
fs.symlinkSync("folder", place.at("link"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  place[Symbol.dispose]();
});

/** A program that says "ready" when it holds its file, and then waits. */
async function holder(words: readonly string[]): Promise<number> {
  const child = spawn(words[0]!, words.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child.pid!;
}

const python = (code: string, ...words: string[]): string[] => [
  "python3",
  "-c",
  `import sys,os,ctypes\n${code}\nprint("ready",flush=True)\nsys.stdin.read()`,
  ...words,
];
const hex = (path: Buffer): string => path.toString("hex");
const opening = "held=os.open(bytes.fromhex(sys.argv[1]),os.O_RDONLY)";

describe("who uses files", () => {
  it("a program that has a file below a folder open, whatever its name", async () => {
    const deep = bytes(odd, "/below/deep");
    const pid = await holder(python(opening, hex(deep)));
    // A neighbour whose name begins alike.
    await holder(python(opening, hex(bytes(place.at("folder2/file")))));
    for (const asked of [deep, odd, bytes(folder), bytes(place.at("link"))]) {
      const found = await processesUsing([asked, bytes("/nowhere")]);
      assert.deepEqual(found, [
        { pid, command: "python3", path: fs.realpathSync.native(deep, { encoding: "buffer" }) },
      ]);
    }
    for (const other of [bytes(folder, "/plain"), bytes(folder, "/nowhere")])
      assert.deepEqual(await processesUsing([other]), []);
  });

  it("a program that has a file mapped but no longer open", async () => {
    const mapped = bytes(folder, "/mapped\nname");
    // The C library's own call: Python's would keep a descriptor.
    const mapping = "ctypes.CDLL(None).mmap(None,ctypes.c_size_t(4096),1,1,held,ctypes.c_long(0))";
    const pid = await holder(python(`${opening}\n${mapping}\nos.close(held)`, hex(mapped)));
    assert.deepEqual(
      (await processesUsing([mapped])).map((each) => [each.pid, each.path.toString()]),
      [[pid, mapped.toString()]],
    );
  });

  it("not this process itself", async () => {
    const own = fs.openSync(bytes(folder, "/plain"), "r");
    assert.deepEqual(await processesUsing([bytes(folder, "/plain")]), []);
    fs.closeSync(own);
  });

  it("a program in a container, which knows the file by another path", async () => {
    const pid = await holder([
      "unshare",
      "--mount",
      "sh",
      "-c",
      'mount --bind "$1" /mnt && exec 3</mnt/contained && echo ready && exec cat',
      "sh",
      folder,
    ]);
    const path = bytes(folder, "/contained");
    for (const asked of [path, bytes(folder)]) {
      const found = (await processesUsing([asked])).filter((each) => each.pid === pid);
      assert.deepEqual(
        found.map((each) => each.path),
        [path],
      );
    }
    assert.deepEqual(await processesUsing([bytes(folder, "/plain")]), []);
  });
});

describe("the mappings of a process", () => {
  it("are read from the kernel's text: files only, once, with the newline that it escapes", () => {
    const text = bytes(
      "55d0c0a00000-55d0c0a01000 r--p 00000000 fe:01 1234567 /usr/bin/with space\n",
      "55d0c0a01000-55d0c0a02000 r-xp 00001000 fe:01 1234567 /usr/bin/with space\n",
      "7f00-7f01 rw-s 00000000 103:00105 42                 /a\\012b",
      [0xff],
      "\n7ffc-7ffd rw-p 00000000 00:00 0          [stack]\n7ffe-7fff rw-p 00000000 00:00 0 \n",
    );
    assert.deepEqual(openMappings(text), [
      { path: bytes("/usr/bin/with space"), device: 0xfe01n, inode: 1234567n },
      { path: bytes("/a\nb", [0xff]), device: 0x110305n, inode: 42n },
    ]);
  });
});
