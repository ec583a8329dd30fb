// Stands between a program and a REST server, and meddles: cuts connections, or damages what has just been stored.
import { createServer, request } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** What the proxy may do to one exchange. */
export interface Meddling {
  /** True: the connection is cut once this many bytes of the request's body have gone through. */
  cutsUpload?(message: IncomingMessage, bytesSoFar: number): boolean;
  /** True: the connection is cut in the middle of the answer's body. */
  cutsAnswer?(message: IncomingMessage): boolean;
  /** Called when the server has stored something, before the program hears of it. */
  stored?(message: IncomingMessage): void;
}

export class MeddlingProxy implements AsyncDisposable {
  readonly #server: Server;
  /** How many connections were cut. */
  cuts = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(serverPort: number, meddling: Meddling): Promise<MeddlingProxy> {
    const server = createServer();
    const proxy = new MeddlingProxy(server);
    server.on("request", (message, answer) => proxy.#pass(serverPort, meddling, message, answer));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** The address of a repository, as programs take it. */
  address(repository: string): string {
    const address = this.#server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return `rest:http://127.0.0.1:${port}/${repository}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(port: number, meddling: Meddling, message: IncomingMessage, answer: ServerResponse): void {
    const { method, url, headers } = message;
    let sentBytes = 0;
    const cut = (): void => {
      this.cuts++;
      message.socket.destroy();
      onward.destroy();
    };
    const onward = request({ host: "127.0.0.1", port, method, path: url, headers }, (reply) => {
      const isStored = method === "POST" && reply.statusCode === 200;
      if (isStored) meddling.stored?.(message);
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      const cutsAnswer = meddling.cutsAnswer?.(message) === true;
      reply.on("data", (bytes: Buffer) => {
        if (cutsAnswer) {
          answer.write(bytes.subarray(0, bytes.length / 2));
          setImmediate(cut);
        } else answer.write(bytes);
      });
      reply.on("end", () => answer.end());
      reply.on("error", () => answer.destroy());
    });
    onward.on("error", () => message.socket.destroy());
    message.on("data", (bytes: Buffer) => {
      sentBytes += bytes.length;
      if (meddling.cutsUpload?.(message, sentBytes) === true) cut();
      else onward.write(bytes);
    });
    message.on("end", () => onward.end());
    message.on("error", () => onward.destroy());
  }
}
