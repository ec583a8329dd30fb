// What `holdfast` and `holdfast repo` say when nothing else was asked.

export const overview = `
A first backup, and back (docs/guide/getting-started.md tells more):
  $ ./holdfast init                     # asks, and writes holdfast.yml, a key and a repository
  $ ./holdfast config check
  $ ./holdfast backup
  $ ./holdfast restore main --to /tmp/restored

The configuration is described in docs/configuration.md. Repositories are restic's: \`restic\` reads and writes them as
well, and \`holdfast repo VERB\` works on one without a configuration.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partial, 10 no repository, 11 locked,
12 wrong password, 130 interrupted.
`;

export const repoOverview = `
The repository and its password come from options or from the environment:
  RESTIC_REPOSITORY, RESTIC_REPOSITORY_FILE, RESTIC_PASSWORD, RESTIC_PASSWORD_FILE,
  RESTIC_PASSWORD_COMMAND, RESTIC_KEY_HINT, RESTIC_CACHE_DIR, RESTIC_CACERT, RESTIC_HOST,
  RESTIC_REST_USERNAME, RESTIC_REST_PASSWORD, RESTIC_PROGRESS_FPS

\`holdfast repo VERB --help\` explains the options of a verb and those of all verbs: -r for the repository, -p for a
file with the password, -q and -v for less and more, --json for programs. They may stand before the verb or behind it.
`;
