// The account on a REST server, from the file that a repository names as its credentials_file.

import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { HoldfastError } from "@holdfast/repository";

export interface RestCredentials {
  readonly user: string;
  readonly password: string;
}

/**
 * Lines `RESTIC_REST_USERNAME=…` and `RESTIC_REST_PASSWORD=…`, as restic takes them from its environment: the same
 * file serves `systemd` and a recovery with restic alone. Throws `usage`; nothing of the content is repeated.
 */
export function readRestCredentials(path: string): RestCredentials {
  let values: NodeJS.Dict<string>;
  try {
    values = parseEnv(readFileSync(path, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new HoldfastError("usage", `the credentials_file ${path} ${reason}`, {
      hint: "check the path, and who may read the file",
      cause: error,
    });
  }
  const { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: password } = values;
  if (user !== undefined && password !== undefined) return { user, password };
  throw new HoldfastError("usage", `the credentials_file ${path} does not name an account`, {
    hint: "write two lines into it: RESTIC_REST_USERNAME=… and RESTIC_REST_PASSWORD=…",
  });
}
