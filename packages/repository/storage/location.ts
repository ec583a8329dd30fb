// Addresses of repositories, in restic's syntax.
import { resolve } from "node:path";
import { HoldfastError } from "../errors.ts";
import type { HttpOptions } from "./http-connection.ts";
import { LocalStorage } from "./local.ts";
import { RestStorage } from "./rest.ts";
import type { Storage } from "./storage.ts";

export type Location =
  | {
      readonly scheme: "local";
      /** Absolute. */
      readonly path: string;
      /** The address as a person may see it; `openStorage` needs the rest. */
      readonly printable: string;
    }
  | {
      readonly scheme: "rest";
      /** Without user and password. */
      readonly url: URL;
      readonly user?: string;
      readonly password?: string;
      /** With the user, and `***` for the password. */
      readonly printable: string;
    };

export interface OpenOptions {
  /** User and password count only where the address names none. */
  readonly rest?: HttpOptions;
}

const existing = "a path, local:PATH, rest:http://HOST/ and rest:https://HOST/";

/**
 * Parses `/path`, `path`, `local:PATH` and `rest:http(s)://[USER[:PASSWORD]@]HOST[:PORT]/PATH/`. Throws
 * `unsupported` for other schemes and `usage` for what is no address; messages never repeat the text, which
 * may hold a password.
 */
export function parseLocation(text: string): Location {
  if (text === "") throw new HoldfastError("usage", "the address of the repository is empty");
  if (text.includes("\0")) throw new HoldfastError("usage", "the address of the repository contains a NUL character");
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1];
  if (scheme === undefined || /^[./]/.test(text)) return localLocation(text);
  const rest = text.slice(scheme.length + 1);
  if (scheme === "local") return localLocation(rest);
  if (scheme === "rest") return restLocation(rest);
  throw new HoldfastError("unsupported", `repositories with addresses of the kind "${scheme}:" are not supported`, {
    hint: `these are: ${existing}; a path with a colon in it needs "local:" before it`,
    context: { scheme },
  });
}

/** Opens nothing yet: the first call of the storage does. */
export function openStorage(location: Location, options: OpenOptions = {}): Storage {
  if (location.scheme === "local") return new LocalStorage(location.path);
  const named = location.user === undefined ? {} : { user: location.user, password: location.password ?? "" };
  return new RestStorage(location.url, { ...options.rest, ...named });
}

function localLocation(text: string): Location {
  if (text === "") throw new HoldfastError("usage", "the address of the repository names no path");
  const path = resolve(text);
  return { scheme: "local", path, printable: path };
}

function restLocation(text: string): Location {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new HoldfastError("usage", "the address after rest: must be http://HOST/PATH/ or https://HOST/PATH/");
  }
  if (url.search !== "" || url.hash !== "") {
    throw new HoldfastError("usage", "the address of a REST server has no part after ? or #");
  }
  const user = decodedPart(url.username);
  const password = decodedPart(url.password);
  url.username = "";
  url.password = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  if (user === "" && password === "") return { scheme: "rest", url, printable: `rest:${url.href}` };
  const shown = `${encodeURIComponent(user)}${password === "" ? "" : ":***"}@`;
  return { scheme: "rest", url, user, password, printable: `rest:${url.protocol}//${shown}${url.host}${url.pathname}` };
}

function decodedPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HoldfastError("usage", "user and password in an address must be percent-encoded");
  }
}
