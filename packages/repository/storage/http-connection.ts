// One HTTP or HTTPS server spoken to over a few kept connections: bytes there and back, with time-outs.
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { once } from "node:events";
import { HoldfastError } from "../errors.ts";
import { totalLength } from "./file-layout.ts";
import { systemErrorCode } from "./system-error.ts";

export interface HttpOptions {
  readonly user?: string;
  readonly password?: string;
  /** PEM certificates to trust instead of those that Node brings. */
  readonly certificateAuthorities?: string | Buffer;
  /** Accepts any certificate: then anybody between here and the server can read the password. */
  readonly insecureTls?: boolean;
  readonly maximumConnections?: number;
  readonly connectTimeoutMs?: number;
  /** How long a connection may stand still while a request is under way. */
  readonly idleTimeoutMs?: number;
}

export interface HttpRequest {
  readonly method: "HEAD" | "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly pieces?: readonly Uint8Array[];
  /** More than this in the answer is an error. */
  readonly maximumBodyBytes?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Pieces are written in parts of this size, so that a slow line does not look like one that stands still. */
const partBytes = 1024 * 1024;

export class HttpConnection {
  /** `http://host:port`, for messages. */
  readonly origin: string;
  readonly #agent: HttpAgent;
  readonly #secure: boolean;
  readonly #target: RequestOptions;
  readonly #connectTimeoutMs: number;
  readonly #idleTimeoutMs: number;

  constructor(origin: URL, options: HttpOptions) {
    this.origin = origin.origin;
    this.#secure = origin.protocol === "https:";
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 30_000;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 5 * 60_000;
    const pool = { keepAlive: true, maxSockets: options.maximumConnections ?? 5 };
    this.#agent = this.#secure
      ? new HttpsAgent({
          ...pool,
          rejectUnauthorized: options.insecureTls !== true,
          ...(options.certificateAuthorities === undefined ? {} : { ca: options.certificateAuthorities }),
        })
      : new HttpAgent(pool);
    this.#target = {
      agent: this.#agent,
      // URL keeps the brackets of an IPv6 address, sockets want none.
      host: origin.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: origin.port || (this.#secure ? 443 : 80),
      ...(options.user === undefined ? {} : { auth: `${options.user}:${options.password ?? ""}` }),
    };
  }

  /** Any status is an answer. Throws `storage` when there was none, with the cause of the system in `context.systemCode`. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#exchange(request);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #exchange(request: HttpRequest): Promise<HttpAnswer> {
    const { method, path, headers, pieces = [] } = request;
    const length = method === "POST" ? { "Content-Length": String(totalLength(pieces)) } : {};
    const options = { ...this.#target, method, path, headers: { ...headers, ...length } };
    const outgoing = this.#secure ? httpsRequest(options) : httpRequest(options);
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once("response", resolve);
      outgoing.on("error", reject);
    });
    answer.catch(() => undefined);
    outgoing.setTimeout(this.#idleTimeoutMs, () => outgoing.destroy(new TimeoutError("no answer in time")));
    outgoing.once("socket", (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(
        () => outgoing.destroy(new TimeoutError("no connection in time")),
        this.#connectTimeoutMs,
      );
      const stop = () => clearTimeout(timer);
      socket.once(this.#secure ? "secureConnect" : "connect", stop);
      socket.once("close", stop);
    });
    // A server may refuse before it has read everything: its answer counts, not what is left to send.
    await Promise.race([writePieces(outgoing, pieces), answer]);
    const response = await answer;
    const body = await readBody(response, request.maximumBodyBytes ?? Infinity);
    if (!outgoing.writableFinished) outgoing.destroy();
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  }

  #failure(error: unknown): HoldfastError {
    if (error instanceof HoldfastError) return error;
    const systemCode = systemErrorCode(error);
    const lasting =
      systemCode.includes("CERT") || systemCode.startsWith("ERR_TLS") || systemCode.startsWith("UNABLE_TO_");
    const message =
      error instanceof AggregateError ? systemCode : error instanceof Error ? error.message : String(error);
    return new HoldfastError("storage", `no answer from ${this.origin}: ${message}`, {
      cause: error,
      context: { systemCode },
      ...(lasting ? { retryable: false, hint: "check the certificate of the server, or name its authority" } : {}),
    });
  }
}

class TimeoutError extends Error {
  readonly code = "ETIMEDOUT";
}

async function writePieces(outgoing: ReturnType<typeof httpRequest>, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    for (let offset = 0; offset < piece.byteLength; offset += partBytes) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(piece.subarray(offset, offset + partBytes))) await once(outgoing, "drain");
    }
  }
  outgoing.end();
}

/** The whole body; a connection that ends before it does is an error of the connection. */
async function readBody(response: IncomingMessage, maximumBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    sizeBytes += part.byteLength;
    if (sizeBytes > maximumBytes)
      throw new HoldfastError("storage", "the answer of the server is longer than it may be", { retryable: false });
    parts.push(part);
  }
  return Buffer.concat(parts);
}
