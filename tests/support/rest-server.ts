// Starts restic's real REST server for a test, stops it hard, and starts it again at the same address.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { programPath, Running } from "./programs.ts";

const startMs = 10_000;

export class RestServer implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  readonly #flags: readonly string[];
  #running: Running | null = null;

  private constructor(directory: string, port: number, flags: readonly string[]) {
    this.#directory = directory;
    this.port = port;
    this.#flags = flags;
  }

  /** Serves `directory` on a free port of the loopback interface. */
  static async start(directory: string, ...flags: string[]): Promise<RestServer> {
    const server = new RestServer(directory, await freePort(), flags);
    await server.start();
    return server;
  }

  /** The address of a repository, as programs take it. */
  address(repository: string): string {
    return `rest:http://127.0.0.1:${this.port}/${repository}/`;
  }

  async start(): Promise<void> {
    const words = ["--path", this.#directory, "--listen", `127.0.0.1:${this.port}`, "--no-auth", ...this.#flags];
    const running = new Running(programPath("restServer"), words, { stdio: ["ignore", "pipe", "pipe"] });
    for (
      let waitedMs = 0;
      !`${running.stdoutSoFar}${running.stderrSoFar}`.includes("start server on");
      waitedMs += 20
    ) {
      assert.ok(waitedMs < startMs, `rest-server does not start:\n${running.stdoutSoFar}${running.stderrSoFar}`);
      await sleep(20);
    }
    this.#running = running;
  }

  /** As if the machine were switched off. */
  async kill(): Promise<void> {
    this.#running?.kill("SIGKILL");
    await this.#running?.ended();
    this.#running = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address !== null ? address.port : assert.fail("no free port");
}
