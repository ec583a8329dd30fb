// Which packs are read when not all of them are to be: a fixed part, or packs drawn at random.

export interface PackSize {
  /** 64 hexadecimal digits. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** As restic's `--read-data-subset` has them. */
export type PackSubset =
  /** Part `part` (from 1) of `of` parts: a pack is always in the same one, whatever comes and goes. */
  | { readonly kind: "part"; readonly part: number; readonly of: number }
  /** Above 0, at most 100. */
  | { readonly kind: "percent"; readonly percent: number }
  | { readonly kind: "bytes"; readonly sizeBytes: number };

/** restic tells the parts by the first byte of a pack's name. */
export const mostParts = 256;

/**
 * The names of the chosen packs; of packs drawn at random at least one, if there is any. `random` gives numbers from 0
 * to below 1, as Math.random does.
 */
export function choosePacks(packs: readonly PackSize[], subset: PackSubset, random: () => number): Set<string> {
  switch (subset.kind) {
    case "part":
      return new Set(packs.filter(({ name }) => isInPart(name, subset)).map(({ name }) => name));
    case "percent": {
      const count = Math.max(1, Math.floor((packs.length * subset.percent) / 100));
      return new Set(
        shuffled(packs, random)
          .slice(0, count)
          .map(({ name }) => name),
      );
    }
    case "bytes":
      return firstOfSize(shuffled(packs, random), subset.sizeBytes);
  }
}

export function isInPart(pack: string, { part, of }: { readonly part: number; readonly of: number }): boolean {
  return Number.parseInt(pack.slice(0, 2), 16) % of === part - 1;
}

/** The first packs, in their order, that together do not exceed `sizeBytes`; at least one. */
export function firstOfSize(packs: readonly PackSize[], sizeBytes: number): Set<string> {
  const chosen = new Set<string>();
  let bytes = 0;
  for (const pack of packs) {
    bytes += pack.sizeBytes;
    if (bytes > sizeBytes && chosen.size > 0) break;
    chosen.add(pack.name);
  }
  return chosen;
}

/** Fisher and Yates. */
function shuffled(packs: readonly PackSize[], random: () => number): PackSize[] {
  const left = [...packs];
  for (let end = left.length - 1; end > 0; end--) {
    const at = Math.floor(random() * (end + 1));
    [left[end], left[at]] = [left[at]!, left[end]!];
  }
  return left;
}
