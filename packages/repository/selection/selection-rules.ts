// Restic's rules for what is left out of a backup, as plain data.

/** Contents of a directory with the file `name` are left out, all but that file; with `header` only if it begins so. */
export interface DirectoryMarker {
  readonly name: string;
  readonly header?: string;
}

/** Plain data: travels to worker threads. */
export interface SelectionRules {
  readonly exclude: readonly string[];
  /** As `exclude`, upper and lower case taken as the same. */
  readonly iexclude: readonly string[];
  readonly excludeIfPresent: readonly DirectoryMarker[];
  /** Files (never directories) of more bytes are left out. */
  readonly excludeLargerThanBytes: number | null;
}

export const selectEverything: SelectionRules = {
  exclude: [],
  iexclude: [],
  excludeIfPresent: [],
  excludeLargerThanBytes: null,
};

/** The marker of the Cache Directory Tagging Specification (bford.info/cachedir), for --exclude-caches. */
export const cacheDirectoryMarker: DirectoryMarker = {
  name: "CACHEDIR.TAG",
  header: "Signature: 8a477f597d28d172789f06886806bc55",
};
