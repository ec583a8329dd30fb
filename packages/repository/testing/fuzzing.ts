// Feeds parsers what nobody honest writes: seeded mutations of bytes and of JSON, each input with a limit of time.
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { HoldfastError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

/** Numbers from a seed, the same each time (Marsaglia's xorshift of 32 bits). */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

const interestingBytes = [0, 1, 0x7f, 0x80, 0xff, 0x22, 0x5c, 0x7b, 0x5b, 0x2c, 0x30, 0x39, 0x2d, 0x0a];

/** Some bytes changed, added, repeated, moved or cut away. */
export function mutateBytes(bytes: Buffer, random: Seeded): Buffer {
  let mutated = Buffer.from(bytes);
  for (let left = 1 + random.below(4); left > 0; left--) mutated = mutateOnce(mutated, random);
  return mutated;
}

function mutateOnce(bytes: Buffer, random: Seeded): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)];
  const some = behind.subarray(0, random.below(64));
  const copy = Buffer.from(bytes);
  switch (random.below(8)) {
    case 0:
    case 1:
      if (at < bytes.length) copy[at]! ^= 1 << random.below(8);
      return copy;
    case 2:
      if (at < bytes.length) copy[at] = random.pick(interestingBytes);
      return copy;
    case 3:
      return Buffer.concat([before, Buffer.of(random.pick(interestingBytes)), behind]);
    case 4:
      return Buffer.concat([before, behind.subarray(some.length)]);
    case 5:
      return Buffer.concat([before, some, behind]);
    case 6:
      return Buffer.concat([behind, before]);
    default:
      return Buffer.from(before);
  }
}

const texts = ["", "0", "..", "/", "\0", '"', "\u2028", "\ud800", "x".repeat(5000), "ab".repeat(32), "__proto__"];
const atoms: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  0.5,
  1e308,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  [],
  {},
  [[]],
  [null],
  { "": null },
  [{}, []],
  "2026-02-30T25:61:61Z",
  "0000-00-00T00:00:00+99:99",
  ...texts,
];

/** One value somewhere in a JSON document replaced, left out, repeated, renamed or buried deep; as text. */
export function mutateJson(json: unknown, random: Seeded): string {
  let mutated = json;
  for (let left = 1 + random.below(3); left > 0; left--) mutated = mutateValue(mutated, random, 0);
  const text = JSON.stringify(mutated) ?? "null";
  const kind = random.below(16);
  return kind < 2 ? repeatMember(text, random) : kind === 2 ? dig(text, random) : text;
}

/** A number so deep that whoever follows step by step runs out of stack. */
function dig(text: string, random: Seeded): string {
  const depth = random.pick([60, 70, 100_000]);
  return text.replace(/:\d+/, `:${"[".repeat(depth)}1${"]".repeat(depth)}`);
}

function mutateValue(value: unknown, random: Seeded, depth: number): unknown {
  const isLeaf = typeof value !== "object" || value === null || Object.keys(value).length === 0;
  if (isLeaf || random.below(4 + depth) === 0) return replacementOf(value, random);
  if (Array.isArray(value)) {
    const items: unknown[] = [...(value as unknown[])];
    const at = random.below(items.length);
    const kind = random.below(8);
    if (kind === 0) items.splice(at, 1);
    else if (kind === 1) items.push(...Array.from({ length: 1 + random.below(50) }, () => items[at]));
    else if (kind === 2) items.reverse();
    else items[at] = mutateValue(items[at], random, depth + 1);
    return items;
  }
  const fields = Object.entries(value);
  const [name, field] = random.pick(fields);
  const others = fields.filter(([other]) => other !== name);
  const kind = random.below(8);
  if (kind === 0) return Object.fromEntries(others);
  if (kind === 1) return Object.fromEntries([...others, [random.pick(texts), field]]);
  if (kind === 2) return Object.fromEntries([[name, field], ...others]);
  return Object.fromEntries(
    fields.map(([each, old]) => [each, each === name ? mutateValue(old, random, depth + 1) : old]),
  );
}

function replacementOf(value: unknown, random: Seeded): unknown {
  const kind = random.below(12);
  if (kind === 0) return buried(value, random.pick([3, 50, 500]));
  if (kind === 1) return [value];
  if (kind === 2 && typeof value === "string") return value + random.pick(texts);
  if (kind === 3 && typeof value === "string") return value.slice(0, random.below(value.length + 1));
  if (kind === 4 && typeof value === "number") return value + random.pick([-1, 1, 2 ** 32]);
  return random.pick(atoms);
}

function buried(value: unknown, depth: number): unknown {
  let deep = value;
  for (let level = 0; level < depth; level++) deep = level % 2 === 0 ? [deep] : { a: deep };
  return deep;
}

/** The same name twice in one object: no value in JavaScript has that. */
function repeatMember(text: string, random: Seeded): string {
  const members = [...text.matchAll(/"[a-z_]+":(?:"[^"\\]*"|\d+|null)/g)];
  if (members.length === 0) return text;
  const { 0: member, index } = random.pick(members);
  return `${text.slice(0, index)}${random.pick(members)[0]},${member},${text.slice(index)}`;
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly limitMs: number;
  /** What the parser may throw. */
  readonly codes: readonly ErrorCode[];
}

/**
 * Calls `parse` with what `make` makes. It returns, or throws a HoldfastError of one of the codes; anything else, or
 * taking longer than the limit, is thrown with the input. A parser that hangs ends the process after ten such limits.
 * Returns how many inputs were parsed, and how many refused.
 */
export async function fuzz(
  name: string,
  { inputs, seed, limitMs, codes }: FuzzOptions,
  make: (random: Seeded) => Buffer,
  parse: (input: Buffer) => void,
): Promise<{ parsed: number; refused: number }> {
  await using watchdog = new Watchdog(`${name}, seed ${seed}`, limitMs * 10);
  const random = new Seeded(seed);
  let refused = 0;
  for (let number = 0; number < inputs; number++) {
    const input = make(random);
    watchdog.alive(number);
    const begun = performance.now();
    try {
      parse(input);
    } catch (error) {
      if (!(error instanceof HoldfastError) || !codes.includes(error.code))
        throw new Error(`${name}: input ${number} of seed ${seed}: ${describe(input)}: ${String(error)}`, {
          cause: error,
        });
      refused++;
    }
    const tookMs = performance.now() - begun;
    if (tookMs > limitMs)
      throw new Error(`${name}: ${tookMs} ms for input ${number} of seed ${seed}: ${describe(input)}`);
  }
  return { parsed: inputs - refused, refused };
}

function describe(input: Buffer): string {
  return `${input.length} bytes, ${input.subarray(0, 1000).toString("base64")}`;
}

/** A thread that sees when this one hangs in a loop, which no timer of its own could. */
class Watchdog implements AsyncDisposable {
  readonly #beats = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;

  constructor(what: string, limitMs: number) {
    const code = `
      const { workerData } = require("node:worker_threads");
      const { beats, what, limitMs } = workerData;
      let last = -1;
      setInterval(() => {
        const now = Atomics.load(beats, 0);
        if (now === last) {
          require("node:fs").writeSync(2, what + ": hangs at input " + now + "\\n");
          process.kill(process.pid, "SIGKILL");
        }
        last = now;
      }, limitMs);`;
    this.#worker = new Worker(code, { eval: true, workerData: { beats: this.#beats, what, limitMs } });
    this.#worker.on("error", (error) => writeSync(2, `${String(error)}\n`));
  }

  alive(beat: number): void {
    Atomics.store(this.#beats, 0, beat);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
