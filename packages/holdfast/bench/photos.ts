// Makes up photos: files of some megabytes that no program can compress.
import { createCipheriv } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "./random.ts";

const photosPerDirectory = 40;
const smallestBytes = 1_500_000;
const rangeBytes = 5_000_000;

/** Writes photos of together `totalBytes` into directories by month. */
export function writePhotos(directory: string, totalBytes: number, seed: number): void {
  const random = new Random(seed);
  const key = Buffer.alloc(16, seed);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(smallestBytes + rangeBytes);
  for (let left = totalBytes, number = 0; left > 0; number++) {
    const month = Math.floor(number / photosPerDirectory);
    const folder = join(directory, String(2019 + Math.floor(month / 12)), String((month % 12) + 1).padStart(2, "0"));
    mkdirSync(folder, { recursive: true });
    const lengthBytes = Math.min(left, smallestBytes + random.below(rangeBytes));
    const bytes = cipher.update(zeros.subarray(0, lengthBytes));
    bytes.write("\xff\xd8\xff\xe1", 0, "latin1");
    writeFileSync(join(folder, `IMG_${String(number).padStart(5, "0")}.jpg`), bytes);
    left -= lengthBytes;
  }
}
