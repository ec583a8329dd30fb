// Trees that a worker seals: each once, and whatever their size.
import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { Sealer } from "../codec/seal.ts";
import { Compressor, Decompressor } from "../codec/zstd.ts";
import { BlobIndex } from "../index/blob-index.ts";
import { Kernel } from "../kernel/kernel.ts";
import { TreeSealer } from "./tree-sealer.ts";

const scratchBytes = 4096;
const sealer = new Sealer({ encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) }, Kernel.alone());
const decompressor = new Decompressor();

function treeSealer(compressor: Compressor | null): TreeSealer {
  const scratch = { sealed: Buffer.alloc(scratchBytes), inflated: Buffer.alloc(scratchBytes) };
  return new TreeSealer({ index: BlobIndex.create(10), sealer, compressor, decompressor, scratch });
}

function opened(sealed: Uint8Array, plainLength: number): Buffer {
  const packed = sealer.open(sealed);
  return plainLength > 0 ? decompressor.decompress(packed, plainLength) : packed;
}

for (const [title, compressor] of [
  ["compressed", new Compressor()],
  ["plain", null],
] as const) {
  test(`a tree is sealed once, larger or smaller than the scratch, ${title}`, () => {
    const trees = treeSealer(compressor);
    for (const sizeBytes of [20, scratchBytes - 32, scratchBytes - 31, 100_000, 50]) {
      const json = Buffer.from(randomBytes(sizeBytes / 2).toString("hex"));
      const { treeId, tree } = trees.seal(json);
      assert.equal(treeId, hash("sha256", json));
      assert.ok(tree);
      assert.equal(tree.bytes.byteLength, tree.bytes.buffer.byteLength, "nothing else goes to the other thread");
      assert.deepEqual(opened(tree.bytes, tree.plainLength), json);
      assert.deepEqual(trees.seal(json), { treeId, tree: null });
    }
  });
}
