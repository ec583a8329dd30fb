// Storage on a server that speaks restic's REST protocol (restic's doc/REST_backend.rst, versions 1 and 2).
import { HoldfastError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { assertFileName, assertRange, directories, isFileName, rangePastEnd, totalLength } from "./file-layout.ts";
import { HttpConnection } from "./http-connection.ts";
import type { HttpAnswer, HttpOptions, HttpRequest } from "./http-connection.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "./storage.ts";

const version2 = "application/vnd.x.restic.rest.v2";
/** Enough for a listing of several million files, and for the largest pack. */
const maximumBodyBytes = 1024 * 1024 * 1024;
/** Files asked for their size at once, with servers of version 1 only. */
const listingBatchSize = 5;

type Action = "create" | "list" | "look at" | "read" | "write" | "remove";

export class RestStorage implements Storage {
  readonly location: string;
  readonly #connection: HttpConnection;
  readonly #base: string;

  /** `address` is the root of the repository, `http:` or `https:`; user and password stand in `options` only. */
  constructor(address: URL, options: HttpOptions = {}) {
    this.#base = address.pathname.endsWith("/") ? address.pathname : `${address.pathname}/`;
    this.location = `rest:${address.origin}${this.#base}`;
    this.#connection = new HttpConnection(address, options);
  }

  async createLayout(): Promise<void> {
    const answer = await this.#send({ method: "POST", path: `${this.#base}?create=true` });
    if (!isSuccess(answer)) throw this.#refusal("create", this.location, answer);
  }

  async *list(type: FileType): AsyncGenerator<StoredFile> {
    if (type === "config") {
      const sizeBytes = await this.#sizeOf("config", "config");
      if (sizeBytes !== undefined) yield { name: "config", sizeBytes };
      return;
    }
    const path = `${this.#base}${directories[type]}/`;
    const answer = await this.#send({ method: "GET", path });
    // rclone says "not found" for troubles of its own: taken as an empty directory it would make everything look unused.
    if (answer.status === 404 && !serverOf(answer).startsWith("rclone/")) return;
    if (!isSuccess(answer)) throw this.#refusal("list", `${type} files`, answer);
    if (answer.headers["content-type"]?.startsWith(version2)) yield* parseListing(answer.body, type);
    else yield* this.#measure(type, parseNames(answer.body, type));
  }

  async stat(type: FileType, name: string): Promise<StoredFile> {
    const sizeBytes = await this.#sizeOf(type, name);
    if (sizeBytes === undefined) throw this.#missing("look at", type, name);
    return { name, sizeBytes };
  }

  async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
    if (!range) return this.#readWhole(type, name);
    assertRange(range);
    const { offset, lengthBytes } = range;
    if (lengthBytes === 0) {
      // HTTP has no empty ranges.
      if ((await this.stat(type, name)).sizeBytes < offset) throw rangePastEnd(described(type, name), range);
      return Buffer.allocUnsafeSlow(0);
    }
    const headers = { Range: `bytes=${offset}-${offset + lengthBytes - 1}` };
    const answer = await this.#send({ method: "GET", path: this.#path(type, name), headers });
    if (answer.status === 416) throw rangePastEnd(described(type, name), range);
    if (!isSuccess(answer)) throw this.#refusal("read", described(type, name), answer);
    // A server without ranges answers 200 with the whole file.
    const content = answer.status === 206 ? answer.body : answer.body.subarray(offset, offset + lengthBytes);
    if (content.byteLength < lengthBytes) throw rangePastEnd(described(type, name), range);
    if (content.byteLength > lengthBytes) {
      throw new HoldfastError(
        "storage",
        `${this.location} answered with another range of ${described(type, name)} than was asked for`,
      );
    }
    return content;
  }

  async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const path = this.#path(type, name);
    // The protocol does not forbid a server to replace the configuration.
    if (type === "config" && (await this.#sizeOf(type, name)) !== undefined) throw this.#alreadyThere();
    try {
      const headers = { "Content-Type": "application/octet-stream" };
      const answer = await this.#send({ method: "POST", path, headers, pieces });
      if (isSuccess(answer)) return;
      throw this.#refusal("write", described(type, name), answer);
    } catch (error) {
      if (!(error instanceof HoldfastError) || !mayMeanExisting(error)) throw error;
      const sizeBytes = await this.#sizeOf(type, name);
      if (sizeBytes === undefined) throw error;
      if (type === "config") throw error.code === "refused" ? this.#alreadyThere() : error;
      // Equal names of content-addressed files: stored already.
      if (sizeBytes === totalLength(pieces)) return;
      if (error.code !== "refused") throw error;
      throw new HoldfastError(
        "damaged",
        `${described(type, name)} is stored in ${this.location} with ${sizeBytes} instead of ${totalLength(pieces)} bytes, and the server does not replace it`,
        { cause: error },
      );
    }
  }

  async remove(type: FileType, name: string): Promise<void> {
    // rest-server answers 200 when it is asked to remove what is not there.
    if ((await this.#sizeOf(type, name)) === undefined) throw this.#missing("remove", type, name);
    const answer = await this.#send({ method: "DELETE", path: this.#path(type, name) });
    if (!isSuccess(answer)) throw this.#refusal("remove", described(type, name), answer);
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #readWhole(type: FileType, name: string): Promise<Buffer> {
    const answer = await this.#send({ method: "GET", path: this.#path(type, name) });
    if (!isSuccess(answer)) throw this.#refusal("read", described(type, name), answer);
    return answer.body;
  }

  /** Undefined when the file is not there. */
  async #sizeOf(type: FileType, name: string): Promise<number | undefined> {
    const answer = await this.#send({ method: "HEAD", path: this.#path(type, name) });
    if (answer.status === 404) return undefined;
    if (!isSuccess(answer)) throw this.#refusal("look at", described(type, name), answer);
    const sizeBytes = Number(answer.headers["content-length"] ?? NaN);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new HoldfastError("storage", `${this.location} does not tell the size of ${described(type, name)}`, {
        retryable: false,
      });
    }
    return sizeBytes;
  }

  async *#measure(type: FileType, names: readonly string[]): AsyncGenerator<StoredFile> {
    for (let start = 0; start < names.length; start += listingBatchSize) {
      const batch = names.slice(start, start + listingBatchSize);
      const sizes = await Promise.all(batch.map((name) => this.#sizeOf(type, name)));
      for (const [position, name] of batch.entries()) {
        const sizeBytes = sizes[position];
        if (sizeBytes !== undefined) yield { name, sizeBytes };
      }
    }
  }

  #send(request: HttpRequest): Promise<HttpAnswer> {
    return this.#connection.send({ maximumBodyBytes, ...request, headers: { Accept: version2, ...request.headers } });
  }

  #path(type: FileType, name: string): string {
    assertFileName(type, name);
    return this.#base + (type === "config" ? "config" : `${directories[type]}/${name}`);
  }

  #missing(action: Action, type: FileType, name: string): HoldfastError {
    return new HoldfastError("not-found", `cannot ${action} ${described(type, name)}: it is not in ${this.location}`);
  }

  #alreadyThere(): HoldfastError {
    return new HoldfastError("refused", `${this.location} has a configuration already and it is not replaced`, {
      hint: "use the repository that is there, or choose another address",
    });
  }

  /** The error for an answer other than success. */
  #refusal(action: Action, what: string, answer: HttpAnswer): HoldfastError {
    const { code, retryable } = meaningOf(action, answer);
    const text = answer.body.toString("utf8", 0, 200).replace(/\s+/g, " ").trim();
    return new HoldfastError(
      code,
      `cannot ${action} ${what}: ${this.location} answered ${answer.status}${text ? ` (${text})` : ""}`,
      {
        context: { status: answer.status },
        ...(retryable === undefined ? {} : { retryable }),
      },
    );
  }
}

/** What a status means for this action; `retryable` only where the table of errors says otherwise. */
function meaningOf(action: Action, answer: HttpAnswer): { code: ErrorCode; retryable?: boolean } {
  const { status } = answer;
  const changes = action === "create" || action === "write" || action === "remove";
  if (status === 401) return { code: "permission" };
  if (status === 403) return { code: changes ? "refused" : "permission" };
  if (status === 404) return { code: action === "list" ? "storage" : "not-found" };
  // rest-server answers 413 when the file would exceed the size that the repository may have.
  if (status === 507 || status === 413) return { code: "no-space" };
  if (status >= 500 && /no space left|quota/i.test(answer.body.toString("utf8", 0, 1000))) return { code: "no-space" };
  if (status === 405 || status === 501) return { code: "unsupported" };
  // 400 on writing: the server got other bytes than the name says, so something on the way changed them.
  if (status >= 500 || status === 408 || status === 429 || (status === 400 && action === "write"))
    return { code: "storage" };
  return { code: "storage", retryable: false };
}

/** rest-server refuses what exists with 403, and may cut the line while the rest of the body is still on its way. */
function mayMeanExisting(error: HoldfastError): boolean {
  const { systemCode } = error.context;
  return error.code === "refused" || systemCode === "ECONNRESET" || systemCode === "EPIPE";
}

function isSuccess(answer: HttpAnswer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

function serverOf(answer: HttpAnswer): string {
  return String(answer.headers["server"] ?? "");
}

function described(type: FileType, name: string): string {
  return type === "config" ? "the configuration" : `${type} ${name}`;
}

function* parseListing(body: Buffer, type: FileType): Generator<StoredFile> {
  for (const entry of parseArray(body, type)) {
    const { name, size } = (entry ?? {}) as { name?: unknown; size?: unknown };
    if (typeof name !== "string" || !Number.isSafeInteger(size) || (size as number) < 0) throw notAListing(type);
    if (isFileName(name)) yield { name, sizeBytes: size as number };
  }
}

function parseNames(body: Buffer, type: FileType): string[] {
  return parseArray(body, type).filter((name) => {
    if (typeof name !== "string") throw notAListing(type);
    return isFileName(name);
  }) as string[];
}

function parseArray(body: Buffer, type: FileType): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(body.toString("utf8"));
    if (Array.isArray(list)) return list;
    // rest-server says null where it means an empty list.
    if (list === null) return [];
  } catch (error) {
    throw notAListing(type, error);
  }
  throw notAListing(type);
}

function notAListing(type: FileType, cause?: unknown): HoldfastError {
  return new HoldfastError(
    "storage",
    `the server's list of ${type} files cannot be understood: is this a REST server for restic?`,
    {
      retryable: false,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
