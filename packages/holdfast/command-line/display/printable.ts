// Names and messages made safe for a terminal: a file name must not be able to move the cursor or hide a line.

/**
 * What a person sees of a name: printable UTF-8 as it is; control characters (also C1, line and paragraph
 * separators, and those that turn the direction of writing) and bytes that are not UTF-8 as `\n`, `\x1b`,
 * `\u202e`. A name that is changed so stands in double quotes, as in restic.
 */
export function printableName(name: Buffer | string): string {
  if (typeof name === "string" && plain.test(name)) return name;
  const bytes = typeof name === "string" ? Buffer.from(name, "utf8") : name;
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd") && !unsafe.test(text)) return text;
  return `"${escaped(bytes).replaceAll('"', '\\"')}"`;
}

/** A message for one line, or several where it has line ends of its own. */
export function printableText(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replace(unsafeEach, (character) => escapedCharacter(character)))
    .join("\n");
}

const plain = /^[\x20-\x7e]*$/;
const unsafe = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;
const unsafeEach = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapedCharacter(character: string): string {
  const code = character.codePointAt(0) as number;
  return (
    named[character] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`)
  );
}

function escaped(bytes: Buffer): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let result = "";
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at] as number;
    const width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      const character = decoder.decode(bytes.subarray(at, at + width));
      result += unsafe.test(character) ? escapedCharacter(character) : character === "\\" ? "\\\\" : character;
      at += width;
    } catch {
      result += `\\x${lead.toString(16).padStart(2, "0")}`;
      at++;
    }
  }
  return result;
}
