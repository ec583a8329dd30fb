// Collects differences in plain words, and no more of them than a person reads.
import type { Difference } from "@holdfast/sources";

const maximumListed = 100;

export class DifferenceList {
  readonly #listed: Difference[] = [];
  #more = 0;

  add(what: string, problem: string): void {
    if (this.#listed.length < maximumListed) this.#listed.push({ what, problem });
    else this.#more++;
  }

  /** What was added, cut off with a count of the rest, which is put down to `whole`. */
  all(whole: string): Difference[] {
    if (this.#more === 0) return this.#listed;
    return [...this.#listed, { what: whole, problem: `and ${this.#more} more` }];
  }
}
