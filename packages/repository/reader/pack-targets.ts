// Packs the targets of a task for its way to a worker.
import type { RestoreDirectory } from "./restore-directory.ts";
import type { SharedDirectory, TargetList } from "./restore-messages.ts";
import { partTarget, replacingTarget, targetNumbers, wholeTarget } from "./restore-messages.ts";
import type { BlobTarget } from "./restore-plan.ts";

/** The directories must stay open until the task is answered. */
export function packTargets(targets: readonly BlobTarget[]): TargetList {
  const directories: SharedDirectory[] = [];
  const numberOf = new Map<RestoreDirectory, number>();
  const names: string[] = [];
  const numbers = new Float64Array(targets.length * targetNumbers);
  const times = new BigInt64Array(targets.length * 2);
  const xattrs: TargetList["xattrs"][number][] = [];
  for (const [target, { file, offset }] of targets.entries()) {
    const { directory, metadata } = file;
    let number = numberOf.get(directory);
    if (number === undefined) {
      const { fd, path } = directory.handle!;
      number = directories.push({ fd, path }) - 1;
      numberOf.set(directory, number);
    }
    names.push(file.name);
    const kind = file.hasParts ? partTarget : file.replaces ? replacingTarget : wholeTarget;
    const fd = file.open?.entry.fd ?? -1;
    const at = target * targetNumbers;
    numbers[at] = kind;
    numbers[at + 1] = number;
    numbers[at + 2] = fd;
    numbers[at + 3] = offset;
    numbers[at + 4] = metadata.uid;
    numbers[at + 5] = metadata.gid;
    numbers[at + 6] = metadata.mode;
    if (kind === partTarget) continue;
    times[target * 2] = metadata.atimeNs;
    times[target * 2 + 1] = metadata.mtimeNs;
    if (metadata.xattrs.length > 0) xattrs.push({ target, xattrs: metadata.xattrs });
  }
  return { directories, names: names.join("/"), numbers, times, xattrs };
}
