// The configuration as it may be shown to people and programs: all defaults, no secrets.

import { parseLocation } from "@holdfast/repository";
import type { EffectiveConfiguration, EffectiveRepository } from "./schema.ts";

const hidden = "***";

/** Words behind the program of a password command may be secrets, and so may everything in an address but its place. */
export function shownConfiguration(effective: EffectiveConfiguration): EffectiveConfiguration {
  const repositories = Object.entries(effective.repositories).map(([name, each]) => [name, shownRepository(each)]);
  return { ...effective, repositories: Object.fromEntries(repositories) as EffectiveConfiguration["repositories"] };
}

/** One stack, and the repositories that its plans name. */
export function onlyStack(effective: EffectiveConfiguration, name: string): EffectiveConfiguration {
  const stack = effective.stacks[name] as EffectiveConfiguration["stacks"][string];
  const used = new Set(Object.values(stack.plans).flatMap(({ to }) => Object.keys(to)));
  const repositories = Object.entries(effective.repositories).filter(([each]) => used.has(each));
  return { ...effective, repositories: Object.fromEntries(repositories), stacks: { [name]: stack } };
}

function shownRepository(repository: EffectiveRepository): EffectiveRepository {
  const { url, password_command: command } = repository;
  const shown = { ...repository, url: parseLocation(url).printable };
  if (command === undefined) return shown;
  return { ...shown, password_command: command.map((word, index) => (index === 0 ? word : hidden)) };
}
