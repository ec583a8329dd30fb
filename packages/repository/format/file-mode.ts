// Unix file modes (st_mode) and Go's os.FileMode, which is what trees hold.
//
// Source: the constants of Go's io/fs package, and restic's design document ("masked by ModePerm, ModeType,
// ModeSetuid, ModeSetgid and ModeSticky").

/** What a node of a tree can be, in restic's words: `dev` is a block device; `""` is what restic could not tell. */
export type NodeType = "file" | "dir" | "symlink" | "dev" | "chardev" | "fifo" | "socket" | "irregular" | "";

const goDir = 0x8000_0000;
const goSymlink = 0x0800_0000;
const goDevice = 0x0400_0000;
const goNamedPipe = 0x0200_0000;
const goSocket = 0x0100_0000;
const goSetuid = 0x0080_0000;
const goSetgid = 0x0040_0000;
const goCharDevice = 0x0020_0000;
const goSticky = 0x0010_0000;
const goIrregular = 0x0008_0000;

const unixTypeMask = 0o170000;
const unixSetuid = 0o4000;
const unixSetgid = 0o2000;
const unixSticky = 0o1000;
const permissionMask = 0o777;

/** Each type with its bits in st_mode and in Go's mode (unsigned). */
const types: readonly { readonly type: NodeType; readonly unix: number; readonly go: number }[] = [
  { type: "file", unix: 0o100000, go: 0 },
  { type: "dir", unix: 0o040000, go: goDir },
  { type: "symlink", unix: 0o120000, go: goSymlink },
  { type: "dev", unix: 0o060000, go: goDevice },
  { type: "chardev", unix: 0o020000, go: goDevice + goCharDevice },
  { type: "fifo", unix: 0o010000, go: goNamedPipe },
  { type: "socket", unix: 0o140000, go: goSocket },
];

/** The type that st_mode names; `irregular` for what Unix does not define. */
export function nodeTypeOfUnixMode(unixMode: number): NodeType {
  return types.find(({ unix }) => unix === (unixMode & unixTypeMask))?.type ?? "irregular";
}

/** st_mode as Go's mode bits, an unsigned 32-bit number. */
export function goModeOfUnixMode(unixMode: number): number {
  const typeBits = types.find(({ unix }) => unix === (unixMode & unixTypeMask))?.go ?? goIrregular;
  let mode = typeBits + (unixMode & permissionMask);
  mode += (unixMode & unixSetuid) === 0 ? 0 : goSetuid;
  mode += (unixMode & unixSetgid) === 0 ? 0 : goSetgid;
  mode += (unixMode & unixSticky) === 0 ? 0 : goSticky;
  return mode;
}

/** The permission, setuid, setgid and sticky bits (0o7777) that Go's mode bits stand for, as chmod takes them. */
export function permissionsOfGoMode(goMode: number): number {
  let mode = goMode & permissionMask;
  mode |= (goMode & goSetuid) === 0 ? 0 : unixSetuid;
  mode |= (goMode & goSetgid) === 0 ? 0 : unixSetgid;
  mode |= (goMode & goSticky) === 0 ? 0 : unixSticky;
  return mode;
}

/** st_mode for a node of this type with these Go mode bits, for mknod; 0 in the type bits where there is none. */
export function unixModeOfGoMode(type: NodeType, goMode: number): number {
  const typeBits = types.find((entry) => entry.type === type)?.unix ?? 0;
  return typeBits | permissionsOfGoMode(goMode);
}
