// Names of users and groups, from /etc/passwd and /etc/group.

import fs from "node:fs";
import { HoldfastError } from "../errors.ts";

/**
 * Names as these two files had them when the instance was made, and as restic's released (static) programs find
 * them: no other source (LDAP, systemd) is asked, so that both write the same trees. An unknown number has the
 * empty name.
 */
export class UserNames {
  readonly #users: ReadonlyMap<number, string>;
  readonly #groups: ReadonlyMap<number, string>;

  constructor(passwdPath = "/etc/passwd", groupPath = "/etc/group") {
    this.#users = readNames(passwdPath, 7);
    this.#groups = readNames(groupPath, 4);
  }

  userName(uid: number): string {
    return this.#users.get(uid) ?? "";
  }

  groupName(gid: number): string {
    return this.#groups.get(gid) ?? "";
  }
}

/** Lines of `name:password:number:…` (passwd(5), group(5)); the first of several lines with one number counts. */
function readNames(path: string, fieldCount: number): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of readText(path).split("\n")) {
    const fields = line.trim().split(":");
    const [name, , digits] = fields;
    // "+" and "-" begin the lines of NIS, "#" a comment.
    if (fields.length < fieldCount || name === undefined || digits === undefined || !/^[^+#-]/.test(name)) {
      continue;
    }
    const number = Number(digits);
    if (/^(0|[1-9]\d*)$/.test(digits) && !names.has(number)) {
      names.set(number, name);
    }
  }
  return names;
}

/** A container may have neither file: then nobody has a name. */
function readText(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return "";
    }
    throw new HoldfastError("source", `cannot read the names of users or groups from ${path}`, { cause: error });
  }
}
