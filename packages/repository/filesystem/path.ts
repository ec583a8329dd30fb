// Paths as raw bytes, and as byte strings: one character a byte (latin1), which threads exchange without copies.

const slash = 0x2f;

/** The path of `name` (a byte string) in `directory`, in a buffer of its own. */
export function joinPath(directory: Buffer, name: string): Buffer {
  const isRoot = directory.length > 0 && directory[directory.length - 1] === slash;
  const at = directory.length + (isRoot ? 0 : 1);
  const path = Buffer.allocUnsafe(at + name.length);
  directory.copy(path);
  path[at - 1] = slash;
  path.latin1Write(name, at);
  return path;
}

/** The bytes of a byte string. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Bytes as a byte string. */
export function byteString(bytes: Buffer): string {
  return bytes.latin1Slice();
}
