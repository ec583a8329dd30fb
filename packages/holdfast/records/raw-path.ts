// Paths in JSON: as text that people can read, and as bytes where the text cannot say them.
import { z } from "zod";

/** `raw` is base64, and there only when the bytes are not UTF-8; `path` shows them with U+FFFD then. */
export const rawPathSchema = z.looseObject({ path: z.string(), raw: z.base64().optional() });
export type RawPath = z.infer<typeof rawPathSchema>;

export function encodeRawPath(path: Buffer): RawPath {
  const text = path.toString("utf8");
  return Buffer.from(text).equals(path) ? { path: text } : { path: text, raw: path.toString("base64") };
}

export function decodeRawPath({ path, raw }: RawPath): Buffer {
  return raw === undefined ? Buffer.from(path) : Buffer.from(raw, "base64");
}
