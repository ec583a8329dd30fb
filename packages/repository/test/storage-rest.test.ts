// REST storage against real servers (refusals, accounts, TLS, full disks), and against servers that misbehave.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { RequestListener } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { inspect } from "node:util";
import { HoldfastError, hasCode } from "../errors.ts";
import type { HttpOptions } from "../storage/http-connection.ts";
import { openStorage, parseLocation } from "../storage/location.ts";
import { RestStorage } from "../storage/rest.ts";
import { failsWith, nameOf } from "../testing/storage-conformance.ts";
import { startRestServer } from "./storage-rest-server.ts";

const password = "s3cret-Word";

describe("REST storage", () => {
  let directory: string;
  const closing: (() => unknown)[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-rest-"));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await rm(directory, { recursive: true });
  });

  const serve = async (flags?: readonly string[], path = directory): Promise<string> => {
    const server = await startRestServer(path, flags);
    closing.push(() => server.stop());
    return server.url;
  };
  const connect = (url: string, options?: HttpOptions): RestStorage => {
    const storage = new RestStorage(new URL("repository/", url), options);
    closing.push(() => storage.close());
    return storage;
  };
  const listen = async (server: Server): Promise<string> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  const misbehave = (handler: (...call: Parameters<RequestListener>) => unknown): Promise<string> => {
    const server = createServer((request, response) => void handler(request, response));
    closing.push(() => server.closeAllConnections());
    return listen(server);
  };
  const put = async (storage: RestStorage, content: Buffer): Promise<string> => {
    await storage.put("pack", nameOf(content), [content]);
    return nameOf(content);
  };

  it("lists many files with one request", async () => {
    const server = new URL(await serve(["--no-auth"]));
    const requests: string[] = [];
    const counting = await misbehave((message, answer) => {
      requests.push(`${message.method} ${message.url}`);
      const { method, url: path, headers } = message;
      const onward = request({ host: server.hostname, port: server.port, method, path, headers }, (reply) => {
        answer.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(answer);
      });
      message.pipe(onward);
    });
    const storage = connect(counting);
    await storage.createLayout();
    const names = await Promise.all(Array.from({ length: 60 }, () => put(storage, randomBytes(20))));
    requests.length = 0;
    const listed: string[] = [];
    for await (const { name, sizeBytes } of storage.list("pack")) if (sizeBytes === 20) listed.push(name);
    assert.deepEqual(listed.sort(), names.sort());
    assert.deepEqual(requests, ["GET /repository/data/"]);
  });

  describe("rest-server --append-only", () => {
    it("stores new files, refuses to remove any but locks, and to replace", async () => {
      const storage = connect(await serve(["--no-auth", "--append-only"]));
      await storage.createLayout();
      await storage.put("config", "config", [Buffer.from("first")]);
      const content = randomBytes(16 * 1024 * 1024);
      const name = await put(storage, content);
      await put(storage, content);
      await assert.rejects(storage.remove("pack", name), (error) => hasCode(error, "refused") && !error.retryable);
      await assert.rejects(storage.remove("config", "config"), failsWith("refused"));
      await assert.rejects(storage.put("config", "config", [Buffer.from("other")]), failsWith("refused"));
      await assert.rejects(storage.remove("index", nameOf(Buffer.from("missing"))), failsWith("not-found"));
      const lock = randomBytes(100);
      await storage.put("lock", nameOf(lock), [lock]);
      await storage.remove("lock", nameOf(lock));
      assert.ok((await storage.read("pack", name)).equals(content));
    });

    it("says damaged where a file of another size bears the name", async () => {
      const storage = connect(await serve(["--no-auth", "--append-only"]));
      const content = randomBytes(16 * 1024 * 1024);
      const name = await put(storage, content);
      await truncate(join(directory, "repository/data", name.slice(0, 2), name), 1000);
      await assert.rejects(put(storage, content), failsWith("damaged"));
    });
  });

  it("opens with the account and says permission without, never showing the password", async () => {
    const digest = createHash("sha1").update(password).digest("base64");
    await writeFile(join(directory, "users"), `somebody:{SHA}${digest}\n`);
    const url = await serve(["--htpasswd-file", join(directory, "users")]);
    const address = (user: string, word: string) =>
      `rest:${url.replace("//", `//${user}:${encodeURIComponent(word)}@`)}repository`;
    const good = openStorage(parseLocation(address("somebody", password)));
    await good.createLayout();
    assert.deepEqual(await Array.fromAsync(good.list("key")), []);
    assert.ok(!inspect([good, good.location], { showHidden: true }).includes(password));
    const fromOptions = openStorage(parseLocation(`rest:${url}repository`), { rest: { user: "somebody", password } });
    await fromOptions.createLayout();

    for (const wrong of [
      address("somebody", `${password}-wrong`),
      address("other", password),
      `rest:${url}repository/`,
    ]) {
      const storage = openStorage(parseLocation(wrong));
      for (const call of [
        () => storage.createLayout(),
        () => storage.stat("config", "config"),
        () => storage.put("key", nameOf(Buffer.alloc(0)), []),
      ]) {
        await assert.rejects(
          call,
          (error) => hasCode(error, "permission") && !inspect(error, { depth: 9 }).includes(password),
        );
      }
      await storage.close();
    }
    await good.close();
    await fromOptions.close();
  });

  it("checks certificates", async () => {
    const [certificate, key] = ["certificate.pem", "key.pem"].map((name) => join(directory, name)) as [string, string];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", certificate, ...subject],
      { stdio: "ignore" },
    );
    const url = await serve(["--no-auth", "--tls", "--tls-cert", certificate, "--tls-key", key]);
    const distrusting = connect(url);
    await assert.rejects(
      distrusting.createLayout(),
      (error) => hasCode(error, "storage") && !error.retryable && /certificate/.test(error.message + error.hint),
    );
    const content = randomBytes(5 * 1024 * 1024);
    const shared = Buffer.from(new SharedArrayBuffer(content.byteLength));
    content.copy(shared);
    for (const options of [{ certificateAuthorities: await readFile(certificate) }, { insecureTls: true }]) {
      const storage = connect(url, options);
      await storage.createLayout();
      await storage.put("pack", nameOf(content), [shared]);
      assert.ok((await storage.read("pack", nameOf(content))).equals(content));
      await storage.remove("pack", nameOf(content));
    }
  });

  it("says no-space when the repository may not grow, and when the disk is full", async () => {
    const limited = connect(await serve(["--no-auth", "--max-size", "1000000"]));
    await limited.createLayout();
    await assert.rejects(
      put(limited, randomBytes(2_000_000)),
      (error) => hasCode(error, "no-space") && !error.retryable,
    );

    const mount = join(directory, "mount");
    await mkdir(mount);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "holdfast-test", mount]);
    closing.push(() => execFileSync("umount", [mount]));
    const full = connect(await serve(["--no-auth"], mount));
    await full.createLayout();
    await assert.rejects(put(full, randomBytes(6_000_000)), failsWith("no-space"));
    assert.deepEqual(await Array.fromAsync(full.list("pack")), []);
  });

  it("says storage, worth a retry, where nobody answers", async () => {
    const server = createTcpServer();
    const url = await listen(server);
    server.close();
    const storage = connect(url);
    await assert.rejects(
      storage.stat("config", "config"),
      (error) => hasCode(error, "storage") && error.retryable && error.context["systemCode"] === "ECONNREFUSED",
    );
  });

  it("gives up a server that stands still, before and after it is connected", async () => {
    // Takes connections and says nothing: an HTTPS client is not connected before the handshake ends.
    const silent = await listen(createTcpServer((socket) => closing.push(() => socket.destroy())));
    const limits = { connectTimeoutMs: 50, idleTimeoutMs: 60_000 };
    const notConnected = connect(silent.replace("http:", "https:"), limits);
    await assert.rejects(
      notConnected.createLayout(),
      (error) => hasCode(error, "storage") && error.retryable && /connection in time/.test(error.message),
    );
    const noAnswer = connect(silent, { connectTimeoutMs: 60_000, idleTimeoutMs: 50 });
    await assert.rejects(
      noAnswer.createLayout(),
      (error) => hasCode(error, "storage") && error.retryable && /answer in time/.test(error.message),
    );
    const half = await misbehave((_, response) => {
      response.writeHead(200, { "Content-Length": "100" });
      response.write("half");
    });
    await assert.rejects(
      connect(half, { idleTimeoutMs: 50 }).read("config", "config"),
      (error) => hasCode(error, "storage") && error.retryable,
    );
  });

  it("never takes half an answer for a whole one", async () => {
    const cut = await misbehave((request, response) => {
      response.writeHead(request.headers.range ? 206 : 200, {
        "Content-Length": "100",
        "Content-Type": "application/vnd.x.restic.rest.v2",
      });
      response.write('[{"name":"', () => response.destroy());
    });
    const storage = connect(cut);
    const name = "0".repeat(64);
    const retryable = (error: unknown) => hasCode(error, "storage") && error.retryable;
    await assert.rejects(storage.read("pack", name), retryable);
    await assert.rejects(storage.read("pack", name, { offset: 0, lengthBytes: 100 }), retryable);
    await assert.rejects(Array.fromAsync(storage.list("pack")), retryable);
  });

  it("checks that an answer to a range is that range", async () => {
    const content = randomBytes(100);
    let status = 200;
    const url = await misbehave((_, response) => {
      response.writeHead(status);
      response.end(content);
    });
    const storage = connect(url);
    const name = nameOf(content);
    assert.deepEqual(await storage.read("pack", name, { offset: 10, lengthBytes: 20 }), content.subarray(10, 30));
    await assert.rejects(storage.read("pack", name, { offset: 90, lengthBytes: 11 }), failsWith("damaged"));
    status = 206;
    await assert.rejects(storage.read("pack", name, { offset: 10, lengthBytes: 20 }), failsWith("storage"));
    await assert.rejects(storage.read("pack", name, { offset: 10, lengthBytes: 101 }), failsWith("damaged"));
  });

  it("lists from servers of version 1, asking for each size", async () => {
    const sizes: Readonly<Record<string, number>> = {
      ["a".repeat(64)]: 1,
      ["b".repeat(64)]: 22,
      [`${"c".repeat(64)}-tmp-1`]: 3,
    };
    const url = await misbehave((request, response) => {
      const name = request.url?.split("/").at(-1) ?? "";
      if (name === "") response.end(JSON.stringify(Object.keys(sizes)));
      else response.writeHead(200, { "Content-Length": String(sizes[name]) }).end();
    });
    const files = await Array.fromAsync(connect(url).list("index"));
    assert.deepEqual(files, [
      { name: "a".repeat(64), sizeBytes: 1 },
      { name: "b".repeat(64), sizeBytes: 22 },
    ]);
  });

  it("takes neither nonsense nor rclone's troubles for an empty repository", async () => {
    for (const body of ["<html>", "{}", '"text"', '[{"name":1}]', '[{"name":"x","size":-1}]', "[1]"]) {
      const version = body.includes("name") || body === "[1]" ? "application/vnd.x.restic.rest.v2" : "text/plain";
      const url = await misbehave((_, response) => response.writeHead(200, { "Content-Type": version }).end(body));
      await assert.rejects(Array.fromAsync(connect(url).list("pack")), failsWith("storage"), body);
    }
    const rclone = await misbehave((_, response) => response.writeHead(404, { Server: "rclone/v1.60" }).end());
    await assert.rejects(Array.fromAsync(connect(rclone).list("pack")), failsWith("storage"));
  });

  it("knows what a status means", async () => {
    const meanings = [
      [500, "", "storage", true],
      [503, "", "storage", true],
      [429, "", "storage", true],
      [400, "", "storage", true],
      [507, "", "no-space", false],
      [500, "write: no space left on device", "no-space", false],
      [413, "", "no-space", false],
      [401, "", "permission", false],
      [405, "", "unsupported", false],
      [301, "", "storage", false],
      [418, "", "storage", false],
    ] as const;
    for (const [status, body, code, retryable] of meanings) {
      const url = await misbehave((_, response) => response.writeHead(status).end(body));
      await assert.rejects(
        put(connect(url), randomBytes(10)),
        (error) => hasCode(error, code) && error.retryable === retryable,
        String(status),
      );
    }
  });

  it("finds stored what was stored, where only the answer was lost", async () => {
    let stored = -1;
    const url = await misbehave(async (request, response) => {
      if (request.method === "HEAD")
        return response.writeHead(stored < 0 ? 404 : 200, { "Content-Length": String(stored) }).end();
      const parts = await Array.fromAsync(request as AsyncIterable<Buffer>);
      stored = Buffer.concat(parts).byteLength;
      return response.socket?.resetAndDestroy();
    });
    await put(connect(url), randomBytes(100_000));
    assert.equal(stored, 100_000);
  });

  it("uses no more connections than it may, and keeps them", async () => {
    let requests = 0;
    let busy = 0;
    let highest = 0;
    const sockets = new Set<unknown>();
    const url = await misbehave((request, response) => {
      sockets.add(request.socket);
      requests++;
      highest = Math.max(highest, ++busy);
      setTimeout(() => {
        busy--;
        response.writeHead(200, { "Content-Length": "3" }).end();
      }, 5);
    });
    const storage = connect(url);
    await Promise.all(Array.from({ length: 30 }, () => storage.stat("config", "config")));
    assert.deepEqual([requests, highest, sockets.size], [30, 5, 5]);
  });

  it("speaks of the address without the account in every error", async () => {
    const url = await misbehave((_, response) => response.writeHead(500).end("broken"));
    const storage = openStorage(parseLocation(`rest:${url.replace("//", `//somebody:${password}@`)}repository`));
    closing.push(() => storage.close());
    await assert.rejects(storage.stat("config", "config"), (error) => {
      assert.ok(error instanceof HoldfastError);
      assert.match(error.message, /repository\/ answered 500/);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /s3cret|somebody/);
      return true;
    });
  });
});
