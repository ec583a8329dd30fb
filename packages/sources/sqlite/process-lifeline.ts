// A thread that ends its process as soon as the parent process is gone, however busy the main thread is.
import { readSync } from "node:fs";
import { flushCompileCache } from "node:module";

/** The parent holds the other end of this pipe and never writes. */
const lifeline = 3;

// This thread never comes to the end where Node would write it.
flushCompileCache();
try {
  readSync(lifeline, Buffer.alloc(1));
} catch {
  // Whatever became of the pipe, there is nobody at its other end any more.
}
// SIGKILL, because an orderly exit would close connections, and the last one to close writes the log back.
process.kill(process.pid, "SIGKILL");
