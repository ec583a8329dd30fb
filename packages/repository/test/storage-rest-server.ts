// Starts real REST servers for tests, on free loopback ports.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface RestServer {
  /** `http://127.0.0.1:PORT/`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** The binary, from the environment; without it the tests fail, for they prove nothing then. */
function restServerBinary(): string {
  const path = process.env["HOLDFAST_REST_SERVER"];
  if (path) return path;
  throw new Error(
    "set HOLDFAST_REST_SERVER to the path of a rest-server binary (Debian's package is restic-rest-server)",
  );
}

/** Serves `directory`; `flags` as the program itself knows them. */
export async function startRestServer(
  directory: string,
  flags: readonly string[] = ["--no-auth"],
): Promise<RestServer> {
  const child = spawn(restServerBinary(), ["--path", directory, "--listen", "127.0.0.1:0", ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const address = new Promise<string>((resolve, reject) => {
    const seen: string[] = [];
    const look = (line: string) => {
      seen.push(line);
      const match = /start server on (127\.0\.0\.1:\d+)/.exec(line);
      if (match?.[1]) resolve(match[1]);
    };
    createInterface(child.stdout).on("line", look);
    createInterface(child.stderr).on("line", look);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`rest-server ended at once:\n${seen.join("\n")}`)));
  });
  const scheme = flags.includes("--tls") ? "https" : "http";
  return {
    url: `${scheme}://${await address}/`,
    stop: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
