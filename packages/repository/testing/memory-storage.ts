// Storage in memory, with the honest semantics of a good one, for fast tests.
import { HoldfastError } from "../errors.ts";
import { assertRange, rangePastEnd, relativePath } from "../storage/file-layout.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "../storage/storage.ts";

export class MemoryStorage implements Storage {
  readonly location = "memory";
  readonly #files = new Map<string, { readonly type: FileType; readonly name: string; content: Buffer }>();

  async createLayout(): Promise<void> {}

  async *list(type: FileType): AsyncGenerator<StoredFile> {
    const files = Array.from(this.#files.values());
    for (const file of files) {
      if (file.type === type) yield { name: file.name, sizeBytes: file.content.byteLength };
    }
  }

  async stat(type: FileType, name: string): Promise<StoredFile> {
    return { name, sizeBytes: this.#find(type, name).content.byteLength };
  }

  async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    if (range) assertRange(range);
    const { content } = this.#find(type, name);
    const { offset, lengthBytes } = range ?? { offset: 0, lengthBytes: content.byteLength };
    if (offset + lengthBytes > content.byteLength) throw rangePastEnd(`${type} ${name}`, { offset, lengthBytes });
    const target = Buffer.allocUnsafeSlow(lengthBytes);
    content.copy(target, 0, offset, offset + lengthBytes);
    return target;
  }

  async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const path = relativePath(type, name);
    if (type === "config" && this.#files.has(path))
      throw new HoldfastError("refused", "there is a configuration already");
    this.#files.set(path, { type, name, content: Buffer.concat(pieces) });
  }

  async remove(type: FileType, name: string): Promise<void> {
    this.#find(type, name);
    this.#files.delete(relativePath(type, name));
  }

  async close(): Promise<void> {}

  /** Damages a file in place: `change` gets its bytes, and what it returns is stored instead. */
  damage(type: FileType, name: string, change: (content: Buffer) => Buffer): void {
    const file = this.#find(type, name);
    file.content = change(Buffer.from(file.content));
  }

  #find(type: FileType, name: string) {
    const file = this.#files.get(relativePath(type, name));
    if (!file) throw new HoldfastError("not-found", `there is no ${type} ${name}`);
    return file;
  }
}
