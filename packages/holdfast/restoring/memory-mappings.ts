// Reads which files a process has mapped into its memory, from the text of /proc/PID/maps (proc_pid_maps(5)).

export interface Mapping {
  readonly path: Buffer;
  /** As st_dev of stat(2). */
  readonly device: bigint;
  readonly inode: bigint;
}

/** Every mapped file once; memory without a file is left out. */
export function openMappings(maps: Buffer): Mapping[] {
  const found = new Map<string, Mapping>();
  for (const line of maps.toString("latin1").split("\n")) {
    const fields = /^[0-9a-f]+-[0-9a-f]+ \S+ [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(\/.*)$/s.exec(line);
    const [, major, minor, inode, path] = fields ?? [];
    if (major === undefined || minor === undefined || inode === undefined || path === undefined) continue;
    if (found.has(path)) continue;
    found.set(path, {
      // The one character that the kernel escapes here.
      path: Buffer.from(path.replaceAll("\\012", "\n"), "latin1"),
      device: deviceOf(BigInt(`0x${major}`), BigInt(`0x${minor}`)),
      inode: BigInt(inode),
    });
  }
  return [...found.values()];
}

/** makedev(3). */
function deviceOf(major: bigint, minor: bigint): bigint {
  return (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
}
