// Where the state directory is when nobody names one.
import { join } from "node:path";
import { HoldfastError } from "@holdfast/repository";

/** For root `/var/lib/holdfast`, else as the XDG Base Directory Specification says. Throws `usage` without a home. */
export function defaultStateDirectory(environment: NodeJS.ProcessEnv, uid: number): string {
  if (uid === 0) return "/var/lib/holdfast";
  const { XDG_STATE_HOME: stateHome, HOME: home } = environment;
  // The specification has relative paths ignored.
  if (stateHome?.startsWith("/") === true) return join(stateHome, "holdfast");
  if (home?.startsWith("/") === true) return join(home, ".local/state/holdfast");
  throw new HoldfastError(
    "usage",
    "there is no place for the state directory: neither HOME nor XDG_STATE_HOME is set",
    {
      hint: "set HOME or XDG_STATE_HOME to an absolute path",
    },
  );
}
