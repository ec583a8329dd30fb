// A process that captures a database: into a file, or, without one, it keeps it pinned and waits to be killed.
import { sqlite } from "./sqlite.ts";
import { capture, testContext } from "./sqlite-fixture.ts";

const [path = "", copy] = process.argv.slice(2);
if (copy === undefined) {
  const open = await sqlite.open(sqlite.options.parse(path), testContext());
  void open.witness();
  process.stdout.write("pinned\n");
  setInterval(() => undefined, 1000);
} else {
  const { witnessed } = await capture(path, copy);
  process.stdout.write(JSON.stringify(witnessed));
}
