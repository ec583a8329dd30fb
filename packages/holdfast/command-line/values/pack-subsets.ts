// Parts of the packs as restic takes them on its command line: `1/7`, `10%`, `500M`.

import { HoldfastError, mostParts, type PackSubset } from "@holdfast/repository";
import { parseSizeBytes } from "./sizes.ts";

/** `option` names the culprit. */
export function parsePackSubset(text: string, option: string): PackSubset {
  const wrong = (problem: string): HoldfastError =>
    new HoldfastError("usage", `${option}: ${JSON.stringify(text)} ${problem}`, {
      hint: "write a part like 1/7, a share like 10% or 2.5%, or a size like 500M",
    });
  const part = /^([0-9]+)\/([0-9]+)$/.exec(text);
  if (part) {
    const [number, of] = [Number(part[1]), Number(part[2])];
    if (number < 1 || number > of) throw wrong("is no part: the first number is from 1 to the second");
    if (of > mostParts) throw wrong(`has more than ${mostParts} parts`);
    return { kind: "part", part: number, of };
  }
  const share = /^([0-9]+(?:\.[0-9]+)?)%$/.exec(text);
  if (share) {
    const percent = Number(share[1]);
    if (percent <= 0 || percent > 100) throw wrong("is no share: it is above 0% and at most 100%");
    return { kind: "percent", percent };
  }
  if (text.includes("/") || text.includes("%")) throw wrong("is no part of the packs");
  const sizeBytes = parseSizeBytes(text, option);
  if (sizeBytes === 0) throw wrong("is nothing");
  return { kind: "bytes", sizeBytes };
}
