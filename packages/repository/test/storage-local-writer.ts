// A process of its own for tests of local storage: one action on the repository ROOT, prints the code of the error.
import { randomBytes } from "node:crypto";
import { HoldfastError } from "../errors.ts";
import { LocalStorage } from "../storage/local.ts";
import { nameOf } from "../testing/storage-conformance.ts";

const [root = "", action = "", name = ""] = process.argv.slice(2);
const storage = new LocalStorage(root);

async function putForever(): Promise<never> {
  for (;;) {
    const content = randomBytes(4 * 1024 * 1024);
    await Promise.all([content.subarray(1), content].map((piece) => storage.put("pack", nameOf(piece), [piece])));
    process.stdout.write("stored ");
  }
}

const actions: Readonly<Record<string, () => Promise<unknown>>> = {
  list: () => Array.fromAsync(storage.list("pack")),
  read: () => storage.read("pack", name),
  stat: () => storage.stat("pack", name),
  put: () => storage.put("pack", name, []),
  remove: () => storage.remove("pack", name),
  "put-forever": putForever,
};

try {
  await actions[action]?.();
  process.stdout.write("done");
} catch (error) {
  process.stdout.write(error instanceof HoldfastError ? error.code : String(error));
}
