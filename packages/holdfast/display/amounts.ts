// Bytes, times and shares as people read them, in restic's notation.

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `1.234 GiB`; whole bytes below one KiB. */
export function formatBytes(sizeBytes: number): string {
  let unit = 0;
  while (unit < units.length - 1 && sizeBytes >= 1024 ** (unit + 1)) unit++;
  return unit === 0 ? `${Math.trunc(sizeBytes)} B` : `${(sizeBytes / 1024 ** unit).toFixed(3)} ${units[unit]}`;
}

/** `0:07`, `12:34`, `1:02:03`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.trunc(durationMs / 1000));
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.trunc(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** `42.10%`, at most 100; empty when the whole is not known. */
export function formatPercent(part: number, whole: number | null): string {
  if (whole === null || whole === 0) return "";
  return `${Math.min(100, (100 * part) / whole).toFixed(2)}%`;
}

/** `1 file`, `2 files`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
