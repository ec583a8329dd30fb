// Paths as the bytes that they are, in strings of one character a byte (latin1): names need not be UTF-8.

/** Bytes 0 to 255 as characters; what node:fs gets is `bytesOf` it. */
export type RawPath = string;

export function rawPath(text: string | Buffer): RawPath {
  return (typeof text === "string" ? Buffer.from(text, "utf8") : text).toString("latin1");
}

export function bytesOf(path: RawPath): Buffer {
  return Buffer.from(path, "latin1");
}

export function parentOf(path: RawPath): RawPath {
  return path.slice(0, path.lastIndexOf("/"));
}
