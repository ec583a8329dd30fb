// What `holdfast init` writes for people to read: the first configuration, and the sheet to recover with.

/** All paths are absolute. */
export interface FirstConfiguration {
  readonly stack: string;
  readonly repositoryName: string;
  readonly url: string;
  readonly keyFile: string;
  readonly sqlite: string | null;
  readonly files: readonly string[];
  /** Patterns of what is left out of `files`. */
  readonly exclude: readonly string[];
}

export function configurationText(first: FirstConfiguration, now: Date): string {
  const { stack, repositoryName, url, keyFile, sqlite, files, exclude } = first;
  const list = (texts: readonly string[]): string => `[${texts.map(yamlText).join(", ")}]`;
  return [
    `# Written by \`holdfast init\`, ${now.toISOString().slice(0, 10)}. docs/configuration.md describes every key;`,
    "# `holdfast config check` says what is wrong or doubtful.",
    "repositories:",
    `  ${repositoryName}:`,
    `    url: ${yamlText(url)}`,
    `    password_file: ${yamlText(keyFile)}`,
    "stacks:",
    `  ${stack}:`,
    "    sources:",
    ...(sqlite === null ? [] : [`      database: { sqlite: ${yamlText(sqlite)} }`]),
    ...(files.length === 0 ? [] : [`      files: { files: { paths: ${list(files)}, exclude: ${list(exclude)} } }`]),
    "    plans:",
    "      daily:",
    "        to:",
    `          ${repositoryName}: {}`,
    "",
  ].join("\n");
}

/** As it is where YAML and variables leave it alone, else in quotes. */
function yamlText(text: string): string {
  if (/^\/[A-Za-z0-9/._@+-]*$/.test(text)) return text;
  return JSON.stringify(text.replaceAll("${", () => "$${"));
}

export interface RecoverySheet {
  readonly url: string;
  readonly repositoryId: string;
  /** Null when a program prints the key. */
  readonly keyFile: string | null;
  readonly key: string;
  readonly host: string;
  /** At least one. */
  readonly stacks: readonly string[];
}

/** Holds the key: it is meant for a safe, on paper or in a password manager, not for this machine. */
export function recoverySheetText(sheet: RecoverySheet, now: Date): string {
  const { url, repositoryId, keyFile, key, host, stacks } = sheet;
  const address = shellText(url);
  const restores = (program: string): string =>
    stacks
      .map((stack) => {
        const target = stacks.length === 1 ? "/tmp/restored" : `/tmp/restored/${stack}`;
        return `    ${program} -r ${address} -p /tmp/key restore latest --tag stack:${stack} --target ${target}`;
      })
      .join("\n");
  const origin = keyFile === null ? `printed by a program on ${host}` : `${keyFile} (on ${host}; lost with it)`;
  return `HOLDFAST RECOVERY SHEET
written ${now.toISOString().slice(0, 10)} for the host ${host}

MOVE THIS SHEET OFF THE MACHINE: print it or put it into a password manager, then delete the file.
Whoever has this key and the repository can read every backup. Whoever has lost the key can read none:
nobody can bring it back.

Repository   ${url}
Its id       ${repositoryId}
Key          ${key}
Key file     ${origin}

To recover, on any machine that reaches the repository, put the key into a file:

    umask 077
    cat > /tmp/key        (type the key, Enter, then Ctrl-D)

With Holdfast:

    holdfast repo -r ${address} -p /tmp/key snapshots
${restores("holdfast repo")}

With restic 0.14 or newer alone (the repository has restic's format):

    restic -r ${address} -p /tmp/key snapshots
${restores("restic")}

Below the target, each source is a directory of its own name, and files keep their absolute paths in it. Afterwards
remove /tmp/key. For an address on a server you need the account there as well: it is not on this sheet.
`;
}

/** For a command line of a POSIX shell. */
function shellText(text: string): string {
  return /^[A-Za-z0-9/._:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
