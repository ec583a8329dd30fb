// Makes the node of a tree from what the file system says of a file.
import type { MetadataReader } from "../filesystem/metadata.ts";
import type { FileStatus } from "../filesystem/status-area.ts";
import type { UserNames } from "../filesystem/users.ts";
import type { NodeType } from "../format/file-mode.ts";
import { goModeOfUnixMode, nodeTypeOfUnixMode } from "../format/file-mode.ts";
import type { TreeNode } from "../format/node.ts";

/** As restic makes them: sizes for files only, links not for directories and FIFOs, access times only when asked for. */
export class NodeMaker {
  readonly #metadata: MetadataReader;
  readonly #users: UserNames;
  readonly #withAtime: boolean;

  constructor(metadata: MetadataReader, users: UserNames, withAtime: boolean) {
    this.#metadata = metadata;
    this.#users = users;
    this.#withAtime = withAtime;
  }

  /** What the status alone tells. */
  basic(name: Buffer, type: NodeType, status: FileStatus): TreeNode {
    return {
      name,
      type,
      mode: goModeOfUnixMode(status.mode),
      mtime: status.mtimeNs,
      atime: this.#withAtime ? status.atimeNs : status.mtimeNs,
      ctime: status.ctimeNs,
      uid: status.uid,
      gid: status.gid,
      user: this.#users.userName(status.uid),
      group: this.#users.groupName(status.gid),
      inode: status.inode,
      deviceId: status.deviceId,
      size: type === "file" ? status.size : 0n,
      links: type === "dir" || type === "fifo" ? 0n : BigInt(status.links),
      linkTarget: null,
      xattrs: [],
      genericAttributes: null,
      device: type === "dev" || type === "chardev" ? status.rdev : 0n,
      content: null,
      subtree: null,
      error: "",
    };
  }

  /** Adds what takes a further look: extended attributes, and where a link leads. */
  complete(node: TreeNode, path: Buffer): TreeNode {
    const linkTarget = node.type === "symlink" ? this.#metadata.readlink(path) : null;
    const xattrs = this.#metadata.readXattrs(path);
    return linkTarget || xattrs.length > 0 ? { ...node, linkTarget, xattrs } : node;
  }

  /** The node of a path, for directories above and between the entries of a backup. */
  read(name: Buffer, path: Buffer): TreeNode {
    const status = this.#metadata.lstat(path);
    return this.complete(this.basic(name, nodeTypeOfUnixMode(status.mode), status), path);
  }
}
