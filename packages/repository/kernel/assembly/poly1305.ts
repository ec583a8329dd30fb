// Poly1305 (RFC 8439, section 2.5) over bytes in memory, in pieces.
//
// The accumulator is four limbs of 32 bits and a small fifth one, kept in 64-bit numbers. Clamping leaves the
// limbs of r below 2^28 and all but the first divisible by 4, so a product that reaches 2^128 returns as
// 5/4 of itself, and the sum of a column stays below 2^64 even with carries not yet passed on.

// The state: limbs of r at 0, limbs of the accumulator at 16, the second half of the key at 56, a block at 72.
const accumulatorOffset: usize = 16;
const padOffset: usize = 56;
const blockOffset: usize = 72;

/** Prepares the 88 bytes at `state` for the 32-byte `key`: r, clamped here, and the summand s. */
export function poly1305Begin(state: usize, key: usize): void {
  store<u32>(state, load<u32>(key) & 0x0fffffff);
  store<u32>(state, load<u32>(key, 4) & 0x0ffffffc, 4);
  store<u32>(state, load<u32>(key, 8) & 0x0ffffffc, 8);
  store<u32>(state, load<u32>(key, 12) & 0x0ffffffc, 12);
  memory.fill(state + accumulatorOffset, 0, 40);
  memory.copy(state + padOffset, key + 16, 16);
}

/** Takes in `length` bytes at `message`, a multiple of 16. */
export function poly1305Update(state: usize, message: usize, length: u32): void {
  addBlocks(state, message, length, 1);
}

/** `topBit` is 1 for whole blocks; a padded last block carries its own. */
function addBlocks(state: usize, message: usize, length: u32, topBit: u64): void {
  const r0 = <u64>load<u32>(state);
  const r1 = <u64>load<u32>(state, 4);
  const r2 = <u64>load<u32>(state, 8);
  const r3 = <u64>load<u32>(state, 12);
  const s1 = r1 + (r1 >> 2);
  const s2 = r2 + (r2 >> 2);
  const s3 = r3 + (r3 >> 2);
  let h0 = load<u64>(state, 16);
  let h1 = load<u64>(state, 24);
  let h2 = load<u64>(state, 32);
  let h3 = load<u64>(state, 40);
  let h4 = load<u64>(state, 48);
  const end = message + <usize>length;
  while (message < end) {
    h0 += <u64>load<u32>(message);
    h1 += <u64>load<u32>(message, 4);
    h2 += <u64>load<u32>(message, 8);
    h3 += <u64>load<u32>(message, 12);
    h4 += topBit;
    // The products of h0, which is ready last, are added last.
    const d0 = h1 * s3 + h2 * s2 + h3 * s1 + h0 * r0;
    const d1 = h1 * r0 + h2 * s3 + h3 * s2 + h4 * s1 + h0 * r1 + (d0 >> 32);
    const d2 = h1 * r1 + h2 * r0 + h3 * s3 + h4 * s2 + h0 * r2 + (d1 >> 32);
    const d3 = h1 * r2 + h2 * r1 + h3 * r0 + h4 * s3 + h0 * r3 + (d2 >> 32);
    const d4 = h4 * r0 + (d3 >> 32);
    // Bits from 2^130 on return as five times themselves; the carry out of h0 can wait a block.
    h0 = (d0 & 0xffffffff) + (d4 >> 2) + (d4 & ~3);
    h1 = d1 & 0xffffffff;
    h2 = d2 & 0xffffffff;
    h3 = d3 & 0xffffffff;
    h4 = d4 & 3;
    message += 16;
  }
  store<u64>(state, h0, 16);
  store<u64>(state, h1, 24);
  store<u64>(state, h2, 32);
  store<u64>(state, h3, 40);
  store<u64>(state, h4, 48);
}

/** Takes in the last `length` (0 to 15) bytes at `message` and writes the 16-byte tag to `tag`. */
export function poly1305Finish(state: usize, message: usize, length: u32, tag: usize): void {
  if (length > 0) {
    const block = state + blockOffset;
    memory.fill(block, 0, 16);
    memory.copy(block, message, length);
    store<u8>(block + <usize>length, 1);
    addBlocks(state, block, 16, 0);
  }
  let h0 = load<u64>(state, 16);
  let h1 = load<u64>(state, 24) + (h0 >> 32);
  let h2 = load<u64>(state, 32) + (h1 >> 32);
  let h3 = load<u64>(state, 40) + (h2 >> 32);
  const h4 = load<u64>(state, 48) + (h3 >> 32);
  h0 &= 0xffffffff;
  h1 &= 0xffffffff;
  h2 &= 0xffffffff;
  h3 &= 0xffffffff;
  // The value is below 2 * (2^130 - 5) now: adding five for every 2^130 that value + 5 holds reduces it fully.
  let carry = (h0 + 5) >> 32;
  carry = (h1 + carry) >> 32;
  carry = (h2 + carry) >> 32;
  carry = (h3 + carry) >> 32;
  const surplus = ((h4 + carry) >> 2) * 5;
  const t0 = h0 + surplus + <u64>load<u32>(state, padOffset);
  const t1 = h1 + (t0 >> 32) + <u64>load<u32>(state, padOffset + 4);
  const t2 = h2 + (t1 >> 32) + <u64>load<u32>(state, padOffset + 8);
  const t3 = h3 + (t2 >> 32) + <u64>load<u32>(state, padOffset + 12);
  store<u32>(tag, <u32>t0);
  store<u32>(tag, <u32>t1, 4);
  store<u32>(tag, <u32>t2, 8);
  store<u32>(tag, <u32>t3, 12);
}
