// Several clients of one storage whose operations happen one at a time, in an order that a test chooses.
import { setTimeout as sleep } from "node:timers/promises";
import { HoldfastError } from "../errors.ts";
import type { ByteRange, FileType, Storage, StoredFile } from "../storage/storage.ts";

/** How long a client that is chosen may think (or wait for a thread, or for its lock) before another has its turn. */
const patienceMs = { short: 5, long: 300 };

interface Waiting {
  readonly client: number;
  /** A put or a removal of anything but a lock. */
  readonly isChange: boolean;
  readonly proceed: () => void;
  readonly fail: (error: HoldfastError) => void;
}

/**
 * What happens next: so many operations of this client, while all others stand still if it `holds` its turn; it dies;
 * or the connections break and `pass` is called.
 */
export type Turn =
  | { readonly kind: "run"; readonly client: number; readonly operations: number; readonly holds: boolean }
  | { readonly kind: "die"; readonly client: number }
  | { readonly kind: "break" };

export class Schedule {
  readonly #waiting: Waiting[] = [];
  readonly #dead = new Set<number>();
  readonly #ended = new Set<number>();
  readonly #pass: () => void;
  operations = 0;

  /** `pass` is what happens while connections are broken: time goes by. */
  constructor(pass: () => void) {
    this.#pass = pass;
  }

  /** The storage as `client` sees it: every operation waits for its turn, and happens at once then. */
  storageOf(client: number, storage: Storage): Storage {
    const turn = (isChange: boolean): Promise<void> => this.#turn(client, isChange);
    return {
      location: storage.location,
      createLayout: () => storage.createLayout(),
      async *list(type: FileType): AsyncGenerator<StoredFile> {
        await turn(false);
        yield* await Array.fromAsync(storage.list(type));
      },
      async stat(type: FileType, name: string): Promise<StoredFile> {
        await turn(false);
        return storage.stat(type, name);
      },
      async read(type: FileType, name: string, range?: ByteRange): Promise<Buffer> {
        await turn(false);
        return storage.read(type, name, range);
      },
      async put(type: FileType, name: string, pieces: readonly Uint8Array[]): Promise<void> {
        await turn(type !== "lock");
        return storage.put(type, name, pieces);
      },
      async remove(type: FileType, name: string): Promise<void> {
        await turn(type !== "lock");
        return storage.remove(type, name);
      },
      close: async () => undefined,
    };
  }

  /** Nobody waits for this client any more. */
  end(client: number): void {
    this.#ended.add(client);
  }

  /** Takes turns from `turns` until `work` is done. */
  async run(turns: Iterable<Turn>, work: Promise<unknown>): Promise<void> {
    const done = new AbortController();
    const finished = work.finally(() => done.abort());
    for (const turn of turns) {
      if (done.signal.aborted) break;
      if (turn.kind === "die") this.#die(turn.client);
      else if (turn.kind === "break") this.#break();
      else await this.#runTurn(turn.client, turn.operations, turn.holds ? patienceMs.long : patienceMs.short);
      while (this.#waiting.length === 0 && !done.signal.aborted) await sleep(1);
    }
    await finished;
  }

  async #runTurn(client: number, operations: number, patience: number): Promise<void> {
    for (let each = 0; each < operations; each++) if (!(await this.#proceed(client, patience))) return;
  }

  /** One operation of the client, or else of the one that waits longest; false when it was not the client's. */
  async #proceed(client: number, patience: number): Promise<boolean> {
    const own = (): number => this.#waiting.findIndex((each) => each.client === client);
    const until = performance.now() + patience;
    while (own() < 0 && performance.now() < until && !this.#ended.has(client)) await sleep(1);
    const position = own();
    this.#waiting.splice(Math.max(position, 0), 1)[0]?.proceed();
    this.operations++;
    // Whatever follows from it without waiting happens before the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    return position >= 0;
  }

  #die(client: number): void {
    this.#dead.add(client);
    for (const each of this.#take((waiting) => waiting.client === client)) each.fail(dead());
  }

  /** Changes that were under way never arrive: a connection does not outlive the sleep of its machine. */
  #break(): void {
    const lost = this.#take((waiting) => waiting.isChange);
    this.#pass();
    for (const each of lost) each.fail(new HoldfastError("storage", "injected: the connection broke"));
  }

  #take(which: (waiting: Waiting) => boolean): Waiting[] {
    const taken = this.#waiting.filter(which);
    for (const each of taken) this.#waiting.splice(this.#waiting.indexOf(each), 1);
    return taken;
  }

  #turn(client: number, isChange: boolean): Promise<void> {
    if (this.#dead.has(client)) return Promise.reject(dead());
    return new Promise((proceed, fail) => this.#waiting.push({ client, isChange, proceed, fail }));
  }
}

function dead(): HoldfastError {
  return new HoldfastError("interrupted", "injected: the process ended here");
}
