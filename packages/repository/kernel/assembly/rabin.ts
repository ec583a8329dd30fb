// Rabin fingerprints over GF(2): the tables of a polynomial, and the search for the first cut in a buffer.
//
// A cut is legal behind every position from the minimum on whose last 64 bytes, read as a polynomial modulo
// the repository's polynomial of degree 53, leave a remainder with the lowest bits zero. As nothing but
// those 64 bytes matters, several positions can be rolled at once, each independent of the others: the
// processor overlaps their table look-ups, where one alone would wait for each.

const windowBytes: usize = 64;
/** The tables: 256 digests of a byte with a whole window behind it, then 256 entries that reduce by the polynomial. */
const reduceOffset: usize = 2048;
const degree: u64 = 53;

/**
 * How far each of the four lanes rolls before they move on. Longer lanes spend less on filling their first
 * windows (2 % here) but look further past a cut in vain, which counts where cuts are frequent.
 */
const laneBytes: usize = 2048;

/** Writes the 4096 bytes of tables for `polynomial`, which has degree 53, to `tables`. */
export function rabinTables(tables: usize, polynomial: u64): void {
  for (let byte: u64 = 0; byte < 256; byte++) {
    const high = byte << degree;
    let remainder = high;
    for (let bit: u64 = 7; bit < 8; bit--) {
      if (((remainder >> (degree + bit)) & 1) != 0) remainder ^= polynomial << bit;
    }
    // The bits above the degree stay in the entry: they clear those of the digest in the same operation.
    store<u64>(tables + ((<usize>byte) << 3), remainder | high, reduceOffset);
  }
  for (let byte: u64 = 0; byte < 256; byte++) {
    let digest = byte;
    for (let i: usize = 0; i < windowBytes; i++) digest = append(tables, digest, 0);
    store<u64>(tables + ((<usize>byte) << 3), digest);
  }
}

/** The digest with one more byte at its end. */
// @ts-ignore: decorator
@inline
function append(tables: usize, digest: u64, arriving: u64): u64 {
  const index = <usize>(digest >> (degree - 8));
  return ((digest << 8) | arriving) ^ load<u64>(tables + (index << 3), reduceOffset);
}

/** The digest of the window one byte further on. */
// @ts-ignore: decorator
@inline
function roll(tables: usize, digest: u64, leaving: u64, arriving: u64): u64 {
  return append(tables, digest, arriving) ^ load<u64>(tables + ((<usize>leaving) << 3));
}

/** The digest of the 64 bytes from `window` on. */
function digestOf(tables: usize, window: usize): u64 {
  let digest: u64 = 0;
  for (let i: usize = 0; i < windowBytes; i++) digest = append(tables, digest, load<u8>(window + i));
  return digest;
}

/** The window whose end is the first cut among those from the one behind `window` up to `end`, or 0. */
function scan(tables: usize, window: usize, end: usize, digest: u64, mask: u32): usize {
  while (window < end) {
    digest = roll(tables, digest, load<u8>(window), load<u8>(window, windowBytes));
    window++;
    if ((<u32>digest & mask) == 0) return window;
  }
  return 0;
}

/** Where the last scan of four lanes ended: its digest. Each instance (thread) has its own. */
let digestAfterLanes: u64 = 0;

/**
 * Rolls the four lanes from the window at `start` on. Returns the window whose end is the first cut, or 0;
 * then `digestAfterLanes` is the digest of the window four lanes further on.
 */
function scanLanes(tables: usize, start: usize, digest: u64, mask: u32): usize {
  let window = start;
  let digest0 = digest;
  let digest1: u64 = 0;
  let digest2: u64 = 0;
  let digest3: u64 = 0;
  for (let i: usize = 0; i < windowBytes; i++) {
    digest1 = append(tables, digest1, load<u8>(window + i, laneBytes));
    digest2 = append(tables, digest2, load<u8>(window + i, 2 * laneBytes));
    digest3 = append(tables, digest3, load<u8>(window + i, 3 * laneBytes));
  }
  const end = start + laneBytes;
  while (window < end) {
    digest0 = roll(tables, digest0, load<u8>(window), load<u8>(window, windowBytes));
    digest1 = roll(tables, digest1, load<u8>(window, laneBytes), load<u8>(window, laneBytes + windowBytes));
    digest2 = roll(tables, digest2, load<u8>(window, 2 * laneBytes), load<u8>(window, 2 * laneBytes + windowBytes));
    digest3 = roll(tables, digest3, load<u8>(window, 3 * laneBytes), load<u8>(window, 3 * laneBytes + windowBytes));
    window++;
    // What a lane finds counts once the lanes below it have found nothing in what they have left.
    if ((<u32>digest0 & mask) == 0) return window;
    if ((<u32>digest1 & mask) == 0) {
      const cut = scan(tables, window, end, digest0, mask);
      return cut != 0 ? cut : window + laneBytes;
    }
    if ((<u32>digest2 & mask) == 0) {
      let cut = scan(tables, window, end, digest0, mask);
      if (cut == 0) cut = scan(tables, window + laneBytes, end + laneBytes, digest1, mask);
      return cut != 0 ? cut : window + 2 * laneBytes;
    }
    if ((<u32>digest3 & mask) == 0) {
      let cut = scan(tables, window, end, digest0, mask);
      if (cut == 0) cut = scan(tables, window + laneBytes, end + laneBytes, digest1, mask);
      if (cut == 0) cut = scan(tables, window + 2 * laneBytes, end + 2 * laneBytes, digest2, mask);
      return cut != 0 ? cut : window + 3 * laneBytes;
    }
  }
  digestAfterLanes = digest3;
  return 0;
}

/**
 * The length of the first chunk of the `length` bytes at `data`, between `minimum` (at least 64) and
 * `maximum` bytes, or 0 if the bytes end before it does.
 */
export function rabinCut(tables: usize, data: usize, length: u32, minimum: u32, maximum: u32, mask: u32): u32 {
  if (length < minimum) return 0;
  const limit = length < maximum ? length : maximum;
  // A window is known by its start; it ends, and may cut, 64 bytes further on.
  const origin = data - windowBytes;
  let window = origin + <usize>minimum;
  const end = origin + <usize>limit;
  let digest = digestOf(tables, window);
  if ((<u32>digest & mask) == 0) return minimum;
  while (end - window >= 4 * laneBytes) {
    const cut = scanLanes(tables, window, digest, mask);
    if (cut != 0) return <u32>(cut - origin);
    digest = digestAfterLanes;
    window += 4 * laneBytes;
  }
  const cut = scan(tables, window, end, digest, mask);
  if (cut != 0) return <u32>(cut - origin);
  return limit == maximum ? maximum : 0;
}
