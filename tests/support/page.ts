// Runs the commands of a page of the guide, with its example paths moved into the directory of a test.
import { readFileSync } from "node:fs";
import path from "node:path";
import { expectStatus, run } from "./programs.ts";
import type { Outcome } from "./programs.ts";
import type { Workplace } from "./workplace.ts";

const checkout = path.resolve(import.meta.dirname, "../..");

/** The contents of a page's blocks of shell commands, in their order. */
export function commandsOf(page: string): string[] {
  const text = readFileSync(path.join(checkout, page), "utf8");
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands = ""]) => commands);
}

/**
 * Runs all of them in one shell that stops at the first failure. `/srv`, `/etc/holdfast` and `/tmp` mean folders of
 * `place`, `restic` means `program`, and what `./holdfast demo` shows is left to its own test.
 */
export function runPage(page: string, place: Workplace, program: string): Outcome {
  const moved = commandsOf(page)
    .join("\n")
    // What Holdfast notes on this host would belong to root.
    .replaceAll(
      /^\.\/holdfast init .*$/gm,
      (line) => `${line}\necho "state_directory: /srv/holdfast-state" >> /etc/holdfast/holdfast.yml`,
    )
    // A snapshot keeps whole paths, and that of a stack has them below the names of its sources.
    .replaceAll(/(?<=\/tmp\/[\w/-]+)\/srv|(?<= \/database)\/srv/g, () => place.at("srv"))
    .replaceAll(/(?<=[\s'=])\/(srv|tmp|etc\/holdfast)(?=\/|\s)/g, (name) => place.at(name))
    .replaceAll(/^\.\/holdfast demo$/gm, "./holdfast demo --help");
  const script = `set -eu\nrestic() { ${JSON.stringify(program)} "$@"; }\n${moved}`;
  const { RESTIC_PASSWORD: password, ...environment } = place.environment;
  if (password === undefined) throw new Error("a workplace has a password");
  return expectStatus(run("bash", ["-c", script], { environment, cwd: checkout, timeoutMs: 300_000 }), 0);
}
