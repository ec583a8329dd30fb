// Says why a password is weak. Whoever has a copy of a key file can try passwords for as long as they like.

/** Shorter ones fall to trying, scrypt or not, unless they are random. */
const shortestLength = 12;
/** Bits of an attacker's uncertainty, if every character were chosen at random from its classes. */
const fewestBits = 56;

const commonWords = [
  "password",
  "passwort",
  "qwerty",
  "qwertz",
  "letmein",
  "welcome",
  "admin",
  "backup",
  "restic",
  "holdfast",
  "secret",
  "changeme",
  "iloveyou",
  "abc123",
];
const runs = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

const classes: readonly (readonly [pattern: RegExp, size: number])[] = [
  [/[a-z]/, 26],
  [/[A-Z]/, 26],
  [/[0-9]/, 10],
  [/[ -/:-@[-`{-~]/, 33],
  [/[^ -~]/, 100],
];

/** A reason in words, or null for a password without an obvious weakness. */
export function passwordWeakness(password: string): string | null {
  const characters = [...password];
  if (characters.length === 0) return "it is empty: anyone who can read the repository can open it";
  if (new Set(characters).size <= 3) return "it repeats very few characters";
  const lower = password.toLowerCase();
  const rest = commonWords.reduce((text, word) => text.replaceAll(word, ""), lower);
  if (rest.length < 6 && rest !== lower) return "it is a common word with little added";
  const reversed = runs.map((run) => [...run].reverse().join(""));
  if ([...runs, ...reversed].some((run) => run.includes(lower))) return "it is a run of neighbouring characters";
  const alphabet = classes.reduce((sum, [pattern, size]) => sum + (pattern.test(password) ? size : 0), 0);
  const bits = characters.length * Math.log2(alphabet);
  if (bits < fewestBits) return `it is too short: ${characters.length} characters`;
  if (characters.length < shortestLength && alphabet <= 36)
    return `it is short: ${characters.length} characters of one kind`;
  return null;
}
