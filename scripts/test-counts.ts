// A reporter for node:test that writes one line of JSON: how many tests passed, failed, were skipped or left to do.
import type { TestEvent } from "node:test/reporters";

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default async function* testCounts(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    // A summary without a file is the one of the whole run.
    if (event.type !== "test:summary" || event.data.file !== undefined) continue;
    const { passed, tests, skipped, todo } = event.data.counts;
    const counts: TestCounts = { passed, failed: tests - passed - skipped - todo, skipped: skipped + todo };
    yield `${JSON.stringify(counts)}\n`;
  }
}
