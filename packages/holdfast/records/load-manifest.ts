// Reads the manifest of a recovery point from its snapshot.
import { dump, hasCode, HoldfastError, type Repository, type StoredSnapshot } from "@holdfast/repository";
import { manifestPath, parseManifest, type Manifest } from "./manifest.ts";
import { stackOf } from "./tags.ts";

/** A larger one is not ours: it would only fill the memory. */
const mostBytes = 64 * 1024 * 1024;

/**
 * Throws `damaged` when it is missing, cannot be read or is that of another stack, and `unsupported` for one that a
 * newer program wrote; the message names the snapshot.
 */
export async function loadManifest(repository: Repository, snapshot: StoredSnapshot): Promise<Manifest> {
  try {
    const manifest = parseManifest(await readFile(repository, snapshot));
    const stack = stackOf(snapshot);
    if (stack === null || manifest.stack === stack) return manifest;
    throw new HoldfastError("damaged", `the manifest is that of the stack ${manifest.stack}`);
  } catch (error) {
    const code = (["damaged", "unsupported", "not-found", "usage"] as const).find((each) => hasCode(error, each));
    if (code === undefined) throw error;
    const { message, hint } = error as HoldfastError;
    // A recovery point without a manifest is no recovery point, and never just "not found".
    throw new HoldfastError(
      code === "unsupported" ? code : "damaged",
      `the recovery point ${snapshot.id.slice(0, 8)}: ${message}`,
      {
        hint: code === "unsupported" ? hint : "its files may be whole all the same: run `holdfast check --read-data`",
        context: { snapshot: snapshot.id },
        cause: error,
      },
    );
  }
}

async function readFile(repository: Repository, snapshot: StoredSnapshot): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  await dump(repository, {
    snapshot,
    subfolder: Buffer.from("/"),
    path: Buffer.from(manifestPath),
    archive: "tar",
    mayWriteArchive: false,
    write: async (piece) => {
      bytes += piece.length;
      if (bytes > mostBytes) throw new HoldfastError("damaged", `the manifest is larger than ${mostBytes} bytes`);
      pieces.push(piece);
    },
  });
  return Buffer.concat(pieces);
}
