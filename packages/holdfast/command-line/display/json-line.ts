// One JSON object on one line, for programs.

/** JSON.rawJSON, which the type library does not know yet: keeps numbers beyond 2^53 exact. */
const { rawJSON } = JSON as typeof JSON & { readonly rawJSON: (text: string) => unknown };

/** JSON without line ends. A bigint becomes a number with all its digits. */
export function toJsonLine(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => (typeof field === "bigint" ? rawJSON(String(field)) : field));
}

/** As toJsonLine, on several lines for reading. */
export function toJsonText(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, field: unknown) => (typeof field === "bigint" ? rawJSON(String(field)) : field),
    2,
  );
}
