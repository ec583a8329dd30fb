// The options that all verbs about stacks share.
import { Option, type Command } from "commander";

export interface StackOptions {
  config?: string;
  wait?: string;
}

/** `holdfast VERB`: most are the same as those of `holdfast repo`, and read by the same function. */
export function addStackOptions(command: Command): void {
  command
    .option("-c, --config <file>", "the configuration (default: ./holdfast.yml, then the usual places)")
    .option("-q, --quiet", "print results and errors only")
    .addOption(
      new Option("-v, --verbose", "print more; twice for even more")
        .preset("1")
        .argParser((value: string, earlier: number | undefined) => (earlier ?? 0) + Number(value)),
    )
    .option("--json", "print JSON, one object a line")
    .option("--retry-lock <duration>", "how long to wait for a locked repository, like 5m (default: not at all)")
    .option("--cache-dir <directory>", "where to keep the cache ($RESTIC_CACHE_DIR)")
    .option("--no-cache", "use no cache");
}

/** For verbs that work on a stack alone. */
export function addWaitOption(command: Command): void {
  command.option("--wait <duration>", "how long to wait for another job of the stack, like 5m (default: not at all)");
}
