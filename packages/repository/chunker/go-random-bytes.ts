// For tests: the bytes that Go's math/rand yields for a seed, which restic's chunker takes as its test data.
//
// The generator adds numbers 607 and 273 places back, modulo 2^64. Go seeds it with the XOR of a simple
// generator and 607 numbers that this very recurrence gives after 7.8 * 10^12 steps from a fixed start.
// We do not list those: the state after n steps follows from x^n modulo x^607 - x^334 - 1.

const size = 607;
const tap = 273;
const discardedSteps = 7_800_000_000_000n;

/** Lehmer's generator with the multiplier 48271, which fills initial states. */
function lehmer(value: bigint): bigint {
  return (48_271n * value) % 0x7fffffffn;
}

/** 607 numbers, each composed of three steps of Lehmer's generator, `shift` bits apart, after 20 steps unused. */
function initialNumbers(seed: bigint, shift: bigint): bigint[] {
  let value = seed;
  for (let i = 0; i < 20; i++) value = lehmer(value);
  return Array.from({ length: size }, () => {
    let number = 0n;
    for (const place of [2n, 1n, 0n]) {
      value = lehmer(value);
      number ^= value << (place * shift);
    }
    return BigInt.asUintN(64, number);
  });
}

/** Coefficients of a polynomial modulo x^607 - x^334 - 1, from those of any degree below 1214. */
function reduce(coefficients: bigint[]): bigint[] {
  const reduced = coefficients.slice();
  for (let power = reduced.length - 1; power >= size; power--) {
    const surplus = reduced[power] ?? 0n;
    reduced[power - tap] = BigInt.asUintN(64, (reduced[power - tap] ?? 0n) + surplus);
    reduced[power - size] = BigInt.asUintN(64, (reduced[power - size] ?? 0n) + surplus);
  }
  return reduced.slice(0, size);
}

/** Squares a polynomial as one huge number, in which each coefficient has 36 hexadecimal digits. */
function square(coefficients: bigint[]): bigint[] {
  const digits = 36;
  const packed = BigInt(
    `0x${coefficients
      .toReversed()
      .map((value) => value.toString(16).padStart(digits, "0"))
      .join("")}`,
  );
  const text = (packed * packed).toString(16).padStart(digits * 2 * size, "0");
  const result: bigint[] = [];
  for (let end = text.length; end > 0; end -= digits) {
    result.push(BigInt.asUintN(64, BigInt(`0x${text.slice(end - digits, end)}`)));
  }
  return reduce(result);
}

/** The recurrence's numbers `steps`, `steps` + 1, ... + 606, from its numbers 0 to 606. */
function numbersAfter(first: bigint[], steps: bigint): bigint[] {
  let power: bigint[] = [1n];
  for (const bit of steps.toString(2)) {
    power = square(power);
    if (bit === "1") power = reduce([0n, ...power]);
  }
  const numbers = first.slice();
  for (let i = size; i < 2 * size; i++) {
    numbers.push(BigInt.asUintN(64, (numbers[i - size] ?? 0n) + (numbers[i - tap] ?? 0n)));
  }
  return Array.from({ length: size }, (_, start) => {
    let sum = 0n;
    for (let i = 0; i < size; i++) sum += (power[i] ?? 0n) * (numbers[start + i] ?? 0n);
    return BigInt.asUintN(64, sum);
  });
}

/** Go keeps its state in a ring that it walks downwards from place 333: number k of the recurrence lies here. */
function ringPlace(k: bigint): number {
  const place = (333n - k) % BigInt(size);
  return Number(place < 0n ? place + BigInt(size) : place);
}

function seededRing(seed: bigint): bigint[] {
  const start = initialNumbers(1n, 10n);
  const first = Array.from({ length: size }, (_, k) => start[ringPlace(BigInt(k))] ?? 0n);
  const cooked: bigint[] = [];
  numbersAfter(first, discardedSteps).forEach((number, i) => {
    cooked[ringPlace(discardedSteps + BigInt(i))] = number;
  });
  return initialNumbers(seed, 20n).map((number, place) => number ^ (cooked[place] ?? 0n));
}

/** `lengthBytes` (a multiple of 4): the little-endian results of Uint32() of a source with this seed (1 to 2^31 - 2). */
export function goRandomBytes(seed: bigint, lengthBytes: number): Buffer {
  const ring = BigUint64Array.from(seededRing(seed));
  const halves = new Uint32Array(ring.buffer);
  const bytes = Buffer.alloc(lengthBytes);
  let feed = size - tap;
  let other = 0;
  for (let offset = 0; offset < lengthBytes; offset += 4) {
    feed = feed === 0 ? size - 1 : feed - 1;
    other = other === 0 ? size - 1 : other - 1;
    const low = (halves[2 * feed] ?? 0) + (halves[2 * other] ?? 0);
    const high = (halves[2 * feed + 1] ?? 0) + (halves[2 * other + 1] ?? 0) + (low > 0xffffffff ? 1 : 0);
    halves[2 * feed] = low;
    halves[2 * feed + 1] = high;
    bytes.writeUInt32LE(((high << 1) | ((low >>> 31) & 1)) >>> 0, offset);
  }
  return bytes;
}
