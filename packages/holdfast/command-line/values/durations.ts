// Spans of time as restic takes them on its command line (Go's syntax).

import { HoldfastError } from "@holdfast/repository";

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `5m`, `1h30m`, `0`, and `2d` besides; in milliseconds. `option` names the culprit. */
export function parseDurationMs(text: string, option: string): number {
  if (text === "0") return 0;
  const parts = [...text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)/g)];
  if (parts.length > 0 && parts.map((part) => part[0]).join("") === text) {
    return parts.reduce((sumMs, [, amount, unit]) => sumMs + Number(amount) * (unitsMs[unit as string] as number), 0);
  }
  throw new HoldfastError("usage", `${option}: ${JSON.stringify(text)} is not a span of time`, {
    hint: "write it like 90s, 5m or 1h30m",
  });
}
