// The polynomial over GF(2) that decides where a repository's files are cut: made, checked, read and written.
//
// A polynomial is a bigint whose bit i is the coefficient of x^i. The format is restic's: the field
// `chunker_polynomial` of the config holds it in hexadecimal digits without a prefix.

import { HoldfastError } from "../errors.ts";

const degree = 53;
/** One candidate in 27 is irreducible: as many failures as this mean that the bytes are not random. */
const maximumTries = 10_000;

/** A random irreducible polynomial of degree 53. `randomBytes` gives as many unpredictable bytes as asked. */
export function randomPolynomial(randomBytes: (lengthBytes: number) => Uint8Array): bigint {
  for (let tries = 0; tries < maximumTries; tries++) {
    const bits = new BigUint64Array(Uint8Array.from(randomBytes(8)).buffer)[0] ?? 0n;
    // Without the term 1, x would divide it.
    const candidate = BigInt.asUintN(degree, bits) | (1n << BigInt(degree)) | 1n;
    if (isChunkerPolynomial(candidate)) return candidate;
  }
  throw new HoldfastError("internal", "the random bytes for a polynomial are not random");
}

/** Reads the config's field. Throws `damaged` unless it is an irreducible polynomial of degree 53. */
export function parsePolynomial(text: string): bigint {
  const polynomial = /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : 0n;
  if (!isChunkerPolynomial(polynomial)) {
    throw new HoldfastError("damaged", "the repository's chunker polynomial is not irreducible of degree 53", {
      context: { polynomial: text.slice(0, 40) },
    });
  }
  return polynomial;
}

/** The config's field for `polynomial`. */
export function formatPolynomial(polynomial: bigint): string {
  return polynomial.toString(16);
}

/**
 * True if `polynomial` is irreducible and has the degree 53, by Rabin's test (M. O. Rabin, "Probabilistic
 * Algorithms in Finite Fields", 1980): it must divide x^(2^53) - x, the product of all irreducible polynomials
 * whose degree divides 53, each once. As 53 is a prime, there are besides those of degree 53 only x and x + 1,
 * too few to make up the degree: so this alone decides.
 */
export function isChunkerPolynomial(polynomial: bigint): boolean {
  if (polynomial >> BigInt(degree) !== 1n) return false;
  // Quick answers for most: x divides it if the term 1 is missing, x + 1 if the number of terms is even.
  if ((polynomial & 1n) === 0n || termsAreEven(polynomial)) return false;
  let power = 2n;
  for (let i = 0; i < degree; i++) power = squareModulo(power, polynomial);
  return power === 2n;
}

function termsAreEven(polynomial: bigint): boolean {
  let even = true;
  for (let rest = polynomial; rest !== 0n; rest &= rest - 1n) even = !even;
  return even;
}

/** The square of `value` modulo `polynomial`: over GF(2), squaring only doubles the exponents. */
function squareModulo(value: bigint, polynomial: bigint): bigint {
  let square = doubleExponents(value);
  for (let bit = 2 * (degree - 1); bit >= degree; bit--) {
    if (((square >> BigInt(bit)) & 1n) !== 0n) square ^= polynomial << BigInt(bit - degree);
  }
  return square;
}

function doubleExponents(value: bigint): bigint {
  let result = 0n;
  for (let bit = 0n; bit < BigInt(degree); bit++) result |= ((value >> bit) & 1n) << (2n * bit);
  return result;
}
