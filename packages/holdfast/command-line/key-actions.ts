// What can be done with the keys of a repository, wherever it was named: in options, or in the configuration.

import { hostname } from "node:os";
import {
  addKey,
  changePassword,
  findByPrefix,
  HoldfastError,
  inspectKeys,
  listKeys,
  removeKey,
  type InspectedKey,
  type KeyState,
  type OpenOptions,
} from "@holdfast/repository";
import type { Command } from "commander";
import { identityOfProcess } from "../access/identity.ts";
import { passwordText } from "../access/password-bytes.ts";
import type { Session } from "../access/session.ts";
import { formatCount } from "../display/amounts.ts";
import type { Context } from "./context.ts";
import { printableName, printableText } from "./display/printable.ts";
import { renderTable } from "./display/table.ts";
import { askNewPassword, passwordFromFile, weaknessWarning } from "./password.ts";
import { promptOf } from "./session.ts";
import { formatTime } from "./values/times.ts";

export interface KeyOptions {
  newPasswordFile?: string;
  newInsecureNoPassword?: boolean;
  user?: string;
  host?: string;
}

/** A repository that is opened when it is known how. */
export interface KeyPlace {
  readonly context: Context;
  readonly open: (lock: "shared" | "exclusive", writes: boolean) => Promise<Session>;
  /** What would open it. */
  readonly options: () => Promise<OpenOptions>;
}

export function addKeyOptions(command: Command): void {
  command
    .option("--new-password-file <file>", "a file with the new password, for add and passwd")
    .option("--new-insecure-no-password", "make the new password empty (insecure)")
    .option("--user <name>", "the user named in the new key")
    .option("--host <name>", "the host named in the new key");
}

export async function showKeys({ context, open }: KeyPlace): Promise<void> {
  await using session = await open("shared", false);
  const { output } = context;
  const { keys, damaged } = await listKeys(session.repository);
  for (const { id, error } of damaged) output.itemError(`key ${id}`, "load", error);
  const rows = keys.map(({ id, isCurrent, username, hostname: host, createdNs }) => ({
    current: isCurrent,
    id,
    userName: username,
    hostName: host,
    created: formatTime(timeOf(createdNs)),
  }));
  if (output.json) output.jsonLine(rows);
  else for (const line of keyLines(rows)) output.line(line);
  if (damaged.length > 0) throw damagedKeys(damaged.length, session.repository.storage.location);
}

interface KeyRow {
  readonly current: boolean;
  readonly id: string;
  readonly userName: string;
  readonly hostName: string;
  readonly created: string;
}

function keyLines(rows: readonly KeyRow[]): string[] {
  return renderTable(
    [
      { title: " ID", cell: (row) => (row.current ? "*" : " ") + row.id.slice(0, 8) },
      { title: "User", cell: (row) => printableName(row.userName) },
      { title: "Host", cell: (row) => printableName(row.hostName) },
      { title: "Created", cell: (row) => row.created },
    ],
    rows,
    [],
  );
}

function damagedKeys(count: number, location: string): HoldfastError {
  return new HoldfastError("damaged", `${formatCount(count, "key file")} of ${location} cannot be used`, {
    hint: "bring it back from a copy of the repository, or remove it with `key remove` and add its password anew",
  });
}

export async function addOne({ context, open }: KeyPlace, options: KeyOptions): Promise<void> {
  await using session = await open("shared", true);
  const password = await newPassword(context, options);
  await session.mayWrite;
  report(context, "added", await addKey(session.repository, password, ownerOf(options)));
}

export async function removeOne({ context, open }: KeyPlace, beginning: string): Promise<void> {
  await using session = await open("exclusive", true);
  const { keys, damaged } = await listKeys(session.repository);
  const id = findByPrefix(
    [...keys, ...damaged].map((each) => each.id),
    beginning,
    "key",
  );
  await removeKey(session.repository, id);
  report(context, "removed", id);
}

export async function changeCurrent({ context, open }: KeyPlace, options: KeyOptions): Promise<void> {
  await using session = await open("exclusive", true);
  const password = await newPassword(context, options);
  report(context, "changed", await changePassword(session.repository, password, ownerOf(options)));
}

const states: Readonly<Record<KeyState, string>> = {
  opens: "opens with this password",
  "other-password": "whole, has another password",
  foreign: "is not of this repository",
  damaged: "damaged",
};

/** Needs neither a key that opens nor a lock. Throws `damaged` when a key is, `wrong-password` when none opens. */
export async function checkAll({ context, options }: KeyPlace): Promise<void> {
  const { output } = context;
  const { storage, password } = await options();
  try {
    const keys = await inspectKeys(storage, password);
    if (output.json) for (const each of keys) output.jsonLine(inspectedJson(each));
    else for (const line of inspectedLines(keys)) output.line(line);
    requireGoodKeys(keys, storage.location);
    output.note(`${formatCount(keys.length, "key")}, none damaged`);
  } finally {
    await storage.close();
  }
}

function requireGoodKeys(keys: readonly InspectedKey[], location: string): void {
  const damaged = keys.filter(({ state }) => state === "damaged");
  if (keys.length === 0)
    throw new HoldfastError("damaged", `there are no key files at ${location}`, {
      hint: "bring the directory `keys` back from a copy: without it nothing can be decrypted",
    });
  if (damaged.length > 0) throw damagedKeys(damaged.length, location);
  if (!keys.some(({ state }) => state === "opens"))
    throw new HoldfastError("wrong-password", `wrong password: it opens no key of ${location}`);
}

function inspectedJson({ id, state, owner, error }: InspectedKey): object {
  return {
    message_type: "key",
    id,
    state,
    userName: owner?.username ?? null,
    hostName: owner?.hostname ?? null,
    created: owner === null ? null : formatTime(timeOf(owner.created)),
    problem: error?.message ?? null,
  };
}

function inspectedLines(keys: readonly InspectedKey[]): string[] {
  return renderTable(
    [
      { title: "ID", cell: ({ id }) => id.slice(0, 8) },
      { title: "User", cell: ({ owner }) => printableName(owner?.username ?? "") },
      { title: "Host", cell: ({ owner }) => printableName(owner?.hostname ?? "") },
      { title: "Created", cell: ({ owner }) => (owner === null ? "" : formatTime(timeOf(owner.created))) },
      {
        title: "State",
        cell: ({ state, error }) =>
          printableText(error === null ? states[state] : `${states[state]}: ${error.message}`),
      },
    ],
    keys,
    [],
  );
}

function timeOf(ns: bigint): Date {
  return new Date(Number(ns / 1_000_000n));
}

function ownerOf(options: KeyOptions): { username: string; hostname: string } {
  return { username: options.user ?? identityOfProcess().username, hostname: options.host ?? hostname() };
}

export async function newPassword(context: Context, options: KeyOptions): Promise<string> {
  const password = passwordText(await newPasswordBytes(context, options));
  const warning = weaknessWarning(password);
  if (warning !== null) context.output.warn(warning);
  return password;
}

async function newPasswordBytes(context: Context, options: KeyOptions): Promise<Buffer> {
  if (options.newInsecureNoPassword === true) {
    if (options.newPasswordFile === undefined) return Buffer.alloc(0);
    throw new HoldfastError("usage", "a new password and none were asked for together", {
      hint: "give one of the two options",
    });
  }
  if (options.newPasswordFile === undefined) return askNewPassword(promptOf(context));
  const password = passwordFromFile(options.newPasswordFile, "--new-password-file");
  if (password.length > 0) return password;
  throw new HoldfastError("usage", "the new password is empty", {
    hint: "pass --new-insecure-no-password if that is really meant",
  });
}

function report(context: Context, action: string, id: string): void {
  if (context.output.json) context.output.jsonLine({ message_type: "summary", action, id });
  else context.output.note(`key ${id.slice(0, 8)} ${action}`);
}
