// A pipe between this process and one that it starts.

import { systemError } from "./system-error.ts";
import type { SystemCalls } from "./system-calls.ts";

/**
 * Both ends are descriptors that are closed on exec; close them with `close` of `system`. Throws `unsupported` where
 * libc cannot be called: node:fs opens no pipes, and those of node:child_process are sockets, which bring less at a
 * time.
 */
export function openPipe(system: SystemCalls): { readonly reading: number; readonly writing: number } {
  const ends = Buffer.alloc(8);
  const result = system.pipe(ends);
  if (result < 0) throw systemError("source", "open", Buffer.from("a pipe"), result);
  return { reading: ends.readInt32LE(0), writing: ends.readInt32LE(4) };
}
