// Streams out of a snapshot: one file as it is, or a folder as a tar archive.
import { HoldfastError } from "../errors.ts";
import { displayPath } from "../filesystem/system-error.ts";
import type { TreeNode } from "../format/node.ts";
import type { Repository, StoredSnapshot } from "../store/repository.ts";
import { findNode, findTree } from "./find-node.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar-entry.ts";
import { walk } from "./walk.ts";

/** Blobs that are read before the one whose turn it is. */
const blobsAhead = 4;

export interface DumpRequest {
  readonly snapshot: StoredSnapshot;
  /** The folder of the snapshot that `path` starts from, raw bytes; "/" for all of it. */
  readonly subfolder: Buffer;
  /** Raw bytes; "/" is the folder itself. */
  readonly path: Buffer;
  /** How a folder is written; zip is not supported. */
  readonly archive: "tar" | "zip";
  /** False on a terminal: a folder is refused (`usage`) before anything is written. */
  readonly mayWriteArchive: boolean;
  /** Takes the next bytes; nothing more comes before its promise is resolved. What it throws ends the dump. */
  readonly write: (bytes: Buffer) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the content of a file, or a folder as a tar archive (POSIX pax, names relative to the folder). Throws at the
 * first thing that cannot be read (`damaged`, `not-found`): half a stream must not look like a whole one.
 */
export async function dump(repository: Repository, request: DumpRequest): Promise<void> {
  const write = async (bytes: Buffer): Promise<void> => {
    if (request.signal?.aborted)
      throw new HoldfastError("interrupted", "the dump was interrupted", { cause: request.signal.reason });
    if (bytes.length > 0) await request.write(bytes);
  };
  const folder = await findTree(repository, request.snapshot.tree, request.subfolder);
  const node = await findNode(repository, folder, request.path);
  if (node?.type === "file") {
    await writeContent(repository, node, write);
    return;
  }
  const shown = displayPath(request.path);
  if (node !== null && node.subtree === null) {
    throw new HoldfastError("usage", `${shown} is neither a file nor a folder`, { context: { path: shown } });
  }
  if (request.archive !== "tar") throw new HoldfastError("unsupported", "folders can be written as tar archives only");
  if (!request.mayWriteArchive) {
    throw new HoldfastError("usage", `${shown} is a folder, and an archive is not for a terminal`, {
      hint: "send the output to a file or a program",
    });
  }
  await writeTar(repository, node?.subtree ?? folder, write);
}

type Write = (bytes: Buffer) => Promise<void>;

async function writeTar(repository: Repository, treeId: string, write: Write): Promise<void> {
  const fail = (_path: Buffer, error: HoldfastError): void => {
    throw error;
  };
  for await (const { path, node } of walk(repository, treeId, { report: fail })) {
    const header = tarHeader(path.subarray(1), node);
    // Sockets have no place in an archive.
    if (!header) continue;
    await write(header);
    if (node.type !== "file") continue;
    const bytes = await writeContent(repository, node, write);
    if (BigInt(bytes) !== node.size) {
      throw new HoldfastError(
        "damaged",
        `${displayPath(path)} should have ${node.size} bytes, but its blobs have ${bytes}`,
      );
    }
    await write(tarPadding(bytes));
  }
  await write(tarEnd);
}

/** The blobs of a file in order, a few read ahead; returns their bytes. */
async function writeContent(repository: Repository, node: TreeNode, write: Write): Promise<number> {
  const content = node.content ?? [];
  const ahead: Promise<Buffer>[] = [];
  let next = 0;
  let written = 0;
  try {
    while (next < content.length || ahead.length > 0) {
      while (next < content.length && ahead.length < blobsAhead) {
        const load = repository.loadBlob("data", content[next++]!);
        // A failure is met where the blob's turn comes.
        load.catch(() => undefined);
        ahead.push(load);
      }
      const blob = await ahead.shift()!;
      await write(blob);
      written += blob.length;
    }
  } finally {
    await Promise.allSettled(ahead);
  }
  return written;
}
