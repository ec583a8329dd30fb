// Where file systems are mounted: what is a mount point, or holds one, cannot be renamed without harm.
import { readFile } from "node:fs/promises";

/** Raw paths of all mount points that this process sees; from /proc/self/mountinfo, see proc_pid_mountinfo(5). */
export async function mountPoints(): Promise<Buffer[]> {
  return parseMountPoints(await readFile("/proc/self/mountinfo"));
}

/** Blanks, tabs, line feeds and backslashes in paths are written as a backslash and three octal digits. */
export function parseMountPoints(mountinfo: Buffer): Buffer[] {
  const lines = mountinfo.toString("latin1").split("\n");
  return lines.flatMap((line) => {
    const path = line.split(" ")[4];
    if (path === undefined) return [];
    const plain = path.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    return [Buffer.from(plain, "latin1")];
  });
}
