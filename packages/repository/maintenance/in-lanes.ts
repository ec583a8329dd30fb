// Several at work on what one source gives, until it gives nothing or one of them fails.

/** Works on what `next` gives, in so many lanes, until it gives nothing. After a failure, which is thrown, no lane goes on. */
export async function inLanes<T>(
  lanes: number,
  next: () => T | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const run = async (): Promise<void> => {
    try {
      while (failures.length === 0) {
        const item = next();
        if (item === undefined) return;
        await work(item);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  await Promise.all(Array.from({ length: lanes }, run));
  if (failures.length > 0) throw failures[0];
}
