// Seals whole trees in a worker thread, for the main thread to put into a pack.
import type { BlobWriterParts } from "./blob-writer.ts";
import { BlobWriter } from "./blob-writer.ts";
import type { ClaimedBlob } from "./blob-saver.ts";

/** A tree crosses to the main thread as it is stored: a quarter of its plain size, and no work left to do there. */
export class TreeSealer {
  readonly #blobs: BlobWriter;
  #sealed: ClaimedBlob | null = null;

  /** `parts` may be those of another writer of the same thread. */
  constructor(parts: Omit<BlobWriterParts, "append">) {
    this.#blobs = new BlobWriter({
      ...parts,
      append: ({ bytes, entry, plainLength }, check) => {
        const copy = Buffer.allocUnsafeSlow(bytes.length);
        bytes.copy(copy);
        check(copy);
        this.#sealed = { entry, bytes: copy, plainLength };
      },
    });
  }

  /** The id of a tree, and the tree unless the repository has it already. Who is given it must store it. */
  seal(json: Buffer): { treeId: string; tree: ClaimedBlob | null } {
    this.#sealed = null;
    const treeId = this.#blobs.save(json, "tree").toString("hex");
    return { treeId, tree: this.#sealed };
  }
}
