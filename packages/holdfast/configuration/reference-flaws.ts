// Looks at how the parts of a configuration belong together, even where others of its parts are wrong.

import { nameHint } from "./nearest-name.ts";
import { nameSchema } from "./field-schemas.ts";
import { parseCron } from "./cron-schedule.ts";
import type { FieldPath, Flaw } from "./problem.ts";

type Named = Readonly<Record<string, unknown>>;

/** The map, or an empty one for anything else: that it is none is said elsewhere. */
const mapOf = (value: unknown): Named =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Named) : {};

const error = (path: FieldPath, message: string, hint?: string): Flaw => ({
  severity: "error",
  path,
  message,
  atKey: true,
  ...(hint === undefined ? {} : { hint }),
});

/** `value` is the parsed file, variables put in; `kinds` are the names of the kinds of sources. */
export function referenceFlaws(value: unknown, kinds: readonly string[]): Flaw[] {
  const { repositories, stacks } = mapOf(value) as { repositories?: unknown; stacks?: unknown };
  const known = Object.keys(mapOf(repositories));
  return [
    ...Object.entries(mapOf(repositories)).flatMap(([name, each]) =>
      repositoryFlaws(["repositories", name], mapOf(each)),
    ),
    ...Object.entries(mapOf(stacks)).flatMap(([name, stack]) =>
      stackFlaws(["stacks", name], mapOf(stack), known, kinds),
    ),
    ...nameFlaws(value),
    ...notActedOn(value),
  ];
}

/** Maps whose keys are names that people choose, by how deep and under which key they stand. */
const namedMaps: Readonly<Record<string, number>> = { repositories: 1, stacks: 1, sources: 3, plans: 3 };

function nameFlaws(value: unknown, above: FieldPath = []): Flaw[] {
  return Object.entries(mapOf(value)).flatMap(([key, child]) => {
    const path = [...above, key];
    const isNamed = namedMaps[String(above.at(-1))] === above.length;
    const issue = isNamed ? nameSchema.safeParse(key).error?.issues[0] : undefined;
    return [...(issue === undefined ? [] : [error(path, issue.message)]), ...nameFlaws(child, path)];
  });
}

function repositoryFlaws(path: FieldPath, repository: Named): Flaw[] {
  const { password_file: file, password_command: command, url } = repository;
  const flaws: Flaw[] = [];
  if (file !== undefined && command !== undefined) {
    flaws.push(error([...path, "password_command"], "stands beside password_file", "keep one of them"));
  }
  // Who wrote a literal password is told so already, but this is what is missing.
  if (file === undefined && command === undefined) {
    flaws.push(
      error(path, "has no password", "add password_file or password_command: everything is encrypted with it"),
    );
  }
  if (
    typeof url === "string" &&
    url.startsWith("rest:http:") &&
    !/^rest:http:\/\/(localhost|127\.|\[::1\])/.test(url)
  ) {
    const message = "goes over the network without TLS: who listens can keep, delay or drop what is sent";
    flaws.push({ severity: "warning", path: [...path, "url"], message, hint: "use rest:https://" });
  }
  return flaws;
}

function stackFlaws(path: FieldPath, stack: Named, repositories: readonly string[], kinds: readonly string[]): Flaw[] {
  const { sources, plans } = stack as { sources?: unknown; plans?: unknown };
  return [
    ...Object.entries(mapOf(sources)).flatMap(([name, source]) =>
      sourceFlaws([...path, "sources", name], source, kinds),
    ),
    ...Object.entries(mapOf(plans)).flatMap(([name, plan]) =>
      planFlaws([...path, "plans", name], mapOf(plan), repositories),
    ),
  ];
}

const besideKinds = ["optional", "critical", "during"];

function sourceFlaws(path: FieldPath, source: unknown, kinds: readonly string[]): Flaw[] {
  if (mapOf(source) !== source) return [];
  const keys = Object.keys(source);
  const [first, ...others] = keys.filter((key) => kinds.includes(key));
  const flaws = others.map((key) =>
    error([...path, key], `stands beside ${first}: a source is of one kind`, "make it a source of its own"),
  );
  // An unknown key may be a mistyped kind, and is reported as such.
  if (first === undefined && keys.every((key) => besideKinds.includes(key))) {
    flaws.push(error(path, "says nothing to capture", `add one of: ${kinds.join(", ")}`));
  }
  if (mapOf(source)["optional"] === true && mapOf(source)["critical"] === true) {
    flaws.push(
      error([...path, "critical"], "contradicts optional: what is critical must be there", "keep one of them"),
    );
  }
  return flaws;
}

function planFlaws(path: FieldPath, plan: Named, repositories: readonly string[]): Flaw[] {
  const destinations = Object.entries(mapOf(plan["to"]));
  const flaws = destinations
    .filter(([name]) => !repositories.includes(name))
    .map(([name]) => error([...path, "to", name], "is no repository of this file", nameHint(name, repositories)));
  if (destinations.length > 0 && destinations.every(([, each]) => mapOf(each)["required"] === false)) {
    const message = "has no required repository: a run would be good that stored nothing";
    flaws.push(error([...path, "to"], message, "leave required out for at least one of them"));
  }
  const [, second] = destinations;
  if (second !== undefined && flaws.length === 0) {
    const message = "is a second repository: a plan stores in one with this version";
    flaws.push(error([...path, "to", second[0]], message, "write a plan of its own for it"));
  }
  const { schedule } = plan as { schedule?: unknown };
  const rhythm = typeof schedule === "string" && schedule !== "off" ? parseCron(schedule) : "";
  if (typeof rhythm === "string" || rhythm.longestGapDays <= 7) return flaws;
  const message =
    rhythm.longestGapDays === Infinity
      ? 'never comes: no day fits; write "off" if that is meant'
      : `leaves up to ${rhythm.longestGapDays} days between two runs: all that is done in between can be lost`;
  return [...flaws, { severity: "warning", path: [...path, "schedule"], message }];
}

const laterKeys: readonly { readonly key: string; readonly depth: number }[] = [
  { key: "media", depth: 3 },
  { key: "place", depth: 3 },
  { key: "prove", depth: 3 },
  { key: "schedule", depth: 5 },
  { key: "keep", depth: 7 },
];

/** What does by hand what a scheduler will do. */
const untilThen: Readonly<Record<string, string>> = {
  schedule: "`holdfast backup`",
  keep: "`holdfast prune` after the backups",
};

/** One warning for each key that has no effect by itself before there is a daemon, at its first place. */
function notActedOn(value: unknown): Flaw[] {
  const first = new Map<string, FieldPath>();
  const look = (each: unknown, path: FieldPath): void => {
    for (const [key, child] of Object.entries(mapOf(each))) {
      const here = [...path, key];
      if (laterKeys.some((later) => later.key === key && later.depth === here.length) && !first.has(key))
        first.set(key, here);
      look(child, here);
    }
  };
  look(value, []);
  return [...first].map(([key, path]) => ({
    severity: "warning",
    path,
    atKey: true,
    message:
      key === "keep"
        ? "is acted on by `holdfast prune` only, not by a scheduler yet: that begins with `holdfast serve`"
        : "was validated and is not acted on yet: that begins with the version that has `holdfast serve`",
    ...(key in untilThen ? { hint: `until then let cron or a systemd timer run ${untilThen[key]}` } : {}),
  }));
}
