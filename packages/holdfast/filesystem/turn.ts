// Lets signals and the display have their turn between synchronous file calls.

import { setImmediate } from "node:timers/promises";

/** Throws the signal's reason when the work is to end. */
export async function nextTurn(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
