// A file system in memory of a given size, for tests of full disks. Needs root.
import { mkdirSync } from "node:fs";
import { expectStatus, run } from "./programs.ts";

export class SmallFileSystem implements Disposable {
  readonly directory: string;

  /** Mounts it at `directory`. */
  constructor(directory: string, sizeBytes: number) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    expectStatus(run("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes},mode=755`, "tmpfs", directory]), 0);
  }

  /** Changes its size while it is used. */
  resize(sizeBytes: number): void {
    expectStatus(run("mount", ["-o", `remount,size=${sizeBytes}`, this.directory]), 0);
  }

  [Symbol.dispose](): void {
    expectStatus(run("umount", ["--lazy", this.directory]), 0);
  }
}
