// The names of sources: they are directories of a snapshot, beside what Holdfast itself puts there.

/** `[a-z0-9-]`; what begins with `holdfast` is reserved. */
export function isSourceName(name: string): boolean {
  return isStackName(name) && !name.startsWith("holdfast");
}

/** Names of stacks and plans: they stand in tags, paths and file names. */
export function isStackName(name: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,99}$/.test(name);
}
