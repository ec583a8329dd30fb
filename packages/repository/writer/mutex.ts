// A lock between threads on one word of shared memory.

/** Takes the lock at `words[at]`, sleeping while another thread has it. Not for the main thread. */
export function lockMutex(words: Int32Array, at: number): void {
  while (Atomics.compareExchange(words, at, 0, 1) !== 0) Atomics.wait(words, at, 1);
}

/** Gives the lock back and wakes one waiter. */
export function unlockMutex(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0);
  Atomics.notify(words, at, 1);
}
