// Who makes snapshots and locks: the host, the user and the process.
import { hostname, userInfo } from "node:os";
import type { Identity } from "@holdfast/repository";

export function identityOfProcess(): Identity {
  return {
    hostname: hostname(),
    username: userName(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pid: process.pid,
  };
}

/** Some containers run under a number that no name belongs to. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}
