// What a change of tags makes of a snapshot's tags.

/** `set` takes the place of all tags (empty: none is left), or is null; then `add` comes before `remove`. */
export interface TagChange {
  readonly set: readonly string[] | null;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/**
 * The new tags, or null where nothing changes. Their order is restic's, so that both make the same of a snapshot: new
 * ones stand last, and the last takes the place of a removed one.
 */
export function changeTags(tags: readonly string[], { set, add, remove }: TagChange): string[] | null {
  const changed = set === null ? [...tags] : [...set];
  if (set === null) {
    for (const tag of add) if (!changed.includes(tag)) changed.push(tag);
    for (const tag of remove) {
      const at = changed.indexOf(tag);
      const last = at < 0 ? undefined : changed.pop();
      if (last !== undefined && at < changed.length) changed[at] = last;
    }
  }
  const isSame = changed.length === tags.length && changed.every((tag, i) => tag === tags[i]);
  return isSame ? null : changed;
}
