// The options and environment variables that all verbs of `holdfast repo` share: restic's names.

import { HoldfastError } from "@holdfast/repository";
import { type Command, Option } from "commander";
import { parseDurationMs } from "./values/durations.ts";
import { parseCount } from "./values/sizes.ts";

export interface GlobalOptions {
  /** How the options are called that named this repository: `--repo`, or `--from-repo` for the one to copy from. */
  readonly optionPrefix: "" | "from-";
  readonly repository: string | undefined;
  readonly repositoryFile: string | undefined;
  readonly passwordFile: string | undefined;
  readonly passwordCommand: string | undefined;
  /** RESTIC_PASSWORD; never an option, since everybody can read the arguments of a process. */
  readonly password: string | undefined;
  readonly insecureNoPassword: boolean;
  readonly keyHint: string | undefined;
  readonly verbosity: number;
  readonly json: boolean;
  readonly noLock: boolean;
  readonly retryLockMs: number;
  /** Undefined: the default place. */
  readonly cacheDirectory: string | undefined;
  readonly noCache: boolean;
  readonly certificateFiles: readonly string[];
  readonly insecureTls: boolean;
  readonly restUser: string | undefined;
  readonly restPassword: string | undefined;
  /** 0: no limit. */
  readonly limitUploadKiB: number;
  readonly limitDownloadKiB: number;
  readonly host: string | undefined;
  readonly framesPerSecond: number | null;
}

/** What commander hands over. */
interface RawOptions {
  repo?: string;
  repositoryFile?: string;
  passwordFile?: string;
  passwordCommand?: string;
  insecureNoPassword?: boolean;
  keyHint?: string;
  quiet?: boolean;
  verbose?: number;
  json?: boolean;
  lock?: boolean;
  retryLock?: string;
  cacheDir?: string;
  cache?: boolean;
  cacert?: string[];
  insecureTls?: boolean;
  limitUpload?: string;
  limitDownload?: string;
}

export const collect = (value: string, earlier: string[] | undefined): string[] => [...(earlier ?? []), value];

/** Adds the options to the command above the verbs: they may stand before the verb or behind it. */
export function addGlobalOptions(command: Command): void {
  command
    .option("-r, --repo <repository>", "the repository: a path, or rest:http://HOST/PATH/ ($RESTIC_REPOSITORY)")
    .option("--repository-file <file>", "a file with the address of the repository ($RESTIC_REPOSITORY_FILE)")
    .option("-p, --password-file <file>", "a file with the password ($RESTIC_PASSWORD_FILE)")
    .option(
      "--password-command <command>",
      "a program that prints the password, run without a shell ($RESTIC_PASSWORD_COMMAND)",
    )
    .option("--insecure-no-password", "use an empty password; every command then needs this option (insecure)")
    .option("--key-hint <key>", "the id of the key to try first ($RESTIC_KEY_HINT)")
    .option("-q, --quiet", "print results and errors only")
    .addOption(
      new Option("-v, --verbose", "print more; twice for even more")
        .preset("1")
        .argParser((value: string, earlier: number | undefined) => (earlier ?? 0) + Number(value)),
    )
    .option("--json", "print JSON, one object a line")
    .option("--no-lock", "do not lock the repository while reading it (for read-only places)")
    .option("--retry-lock <duration>", "how long to wait for a lock, like 5m or 2h (default: not at all)")
    .option("--cache-dir <directory>", "where to keep the cache ($RESTIC_CACHE_DIR)")
    .option("--no-cache", "use no cache")
    .option("--cacert <file>", "PEM certificates to trust instead of the usual ones ($RESTIC_CACERT)", collect)
    .option("--insecure-tls", "accept any certificate of the server (insecure)")
    .option("--limit-upload <rate>", "send at most this many KiB a second")
    .option("--limit-download <rate>", "fetch at most this many KiB a second");
}

/** Options go before the environment. Throws `usage`. */
export function readGlobalOptions(options: object, environment: NodeJS.ProcessEnv): GlobalOptions {
  const raw = options as RawOptions;
  const fromEnvironment = (name: string): string | undefined => environment[name] || undefined;
  const verbose = raw.verbose ?? 0;
  if (raw.quiet === true && verbose > 0) throw new HoldfastError("usage", "--quiet and --verbose were given together");
  // An option for one way of giving something takes the place of the environment's other ways.
  const repositoryGiven = raw.repo !== undefined || raw.repositoryFile !== undefined;
  const passwordGiven = raw.passwordFile !== undefined || raw.passwordCommand !== undefined;
  return {
    optionPrefix: "",
    repository: raw.repo ?? (repositoryGiven ? undefined : fromEnvironment("RESTIC_REPOSITORY")),
    repositoryFile: raw.repositoryFile ?? (repositoryGiven ? undefined : fromEnvironment("RESTIC_REPOSITORY_FILE")),
    passwordFile: raw.passwordFile ?? (passwordGiven ? undefined : fromEnvironment("RESTIC_PASSWORD_FILE")),
    passwordCommand: raw.passwordCommand ?? (passwordGiven ? undefined : fromEnvironment("RESTIC_PASSWORD_COMMAND")),
    password: passwordGiven ? undefined : fromEnvironment("RESTIC_PASSWORD"),
    insecureNoPassword: raw.insecureNoPassword ?? false,
    keyHint: raw.keyHint ?? fromEnvironment("RESTIC_KEY_HINT"),
    verbosity: raw.quiet === true ? 0 : Math.min(3, 1 + verbose),
    json: raw.json ?? false,
    noLock: raw.lock === false,
    retryLockMs: raw.retryLock === undefined ? 0 : parseDurationMs(raw.retryLock, "--retry-lock"),
    cacheDirectory: raw.cacheDir ?? fromEnvironment("RESTIC_CACHE_DIR"),
    noCache: raw.cache === false,
    certificateFiles: raw.cacert ?? fromEnvironment("RESTIC_CACERT")?.split(",") ?? [],
    insecureTls: raw.insecureTls ?? false,
    restUser: fromEnvironment("RESTIC_REST_USERNAME"),
    restPassword: fromEnvironment("RESTIC_REST_PASSWORD"),
    limitUploadKiB: raw.limitUpload === undefined ? 0 : parseCount(raw.limitUpload, "--limit-upload"),
    limitDownloadKiB: raw.limitDownload === undefined ? 0 : parseCount(raw.limitDownload, "--limit-download"),
    host: fromEnvironment("RESTIC_HOST"),
    framesPerSecond: framesPerSecond(fromEnvironment("RESTIC_PROGRESS_FPS")),
  };
}

function framesPerSecond(text: string | undefined): number | null {
  const frames = Number(text);
  return text !== undefined && Number.isFinite(frames) && frames > 0 ? frames : null;
}
