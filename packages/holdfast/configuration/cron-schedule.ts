// Checks cron expressions: five fields, their ranges and names, and on how many days they ever come true.

/** How often an expression comes true. */
export interface CronRhythm {
  /** The longest time between two days with a run; Infinity when no day ever has one. */
  readonly longestGapDays: number;
}

interface FieldRule {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  /** Names for numbers, the first of them for `least`. */
  readonly names: readonly string[];
}

const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const rules: readonly FieldRule[] = [
  { name: "minute", least: 0, most: 59, names: [] },
  { name: "hour", least: 0, most: 23, names: [] },
  { name: "day of the month", least: 1, most: 31, names: [] },
  { name: "month", least: 1, most: 12, names: monthNames },
  { name: "day of the week", least: 0, most: 7, names: dayNames },
];

const nicknames: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};

/** What one field allows. */
interface Field {
  readonly allowed: ReadonlySet<number>;
  /** Weekday and its number in the month. */
  readonly ordinals: readonly { readonly day: number; readonly ordinal: number }[];
  /** `*`, which leaves the choice of days to the other field. */
  readonly everything: boolean;
}

/** The rhythm, or in words what is wrong with the expression. */
export function parseCron(text: string): CronRhythm | string {
  const expression = text.startsWith("@") ? nicknames[text.toLowerCase()] : text;
  if (expression === undefined) return `must be one of ${Object.keys(nicknames).join(", ")}, or five fields`;
  const words = expression.trim().split(/[ \t]+/);
  if (words.length !== rules.length) {
    return `must have five fields (minute, hour, day of the month, month, day of the week), and has ${words.length}`;
  }
  const fields: Field[] = [];
  for (const [index, rule] of rules.entries()) {
    const field = parseField(words[index] as string, rule);
    if (typeof field === "string") return `field ${index + 1} (${rule.name}): ${field}`;
    fields.push(field);
  }
  const [, , days, months, weekdays] = fields as [Field, Field, Field, Field, Field];
  return { longestGapDays: longestGapDays(days, months, weekdays) };
}

function parseField(text: string, rule: FieldRule): Field | string {
  const allowed = new Set<number>();
  const ordinals: { day: number; ordinal: number }[] = [];
  for (const part of text.split(",")) {
    const found = /^(\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:\/([0-9]+))?(?:#([0-9]))?$/i.exec(part);
    if (found === null) return `"${part}" is no number, range, list or step`;
    const [, whole, first, last, step, ordinal] = found;
    const from = whole === "*" ? rule.least : numberOf(first as string, rule);
    // `5/10` begins at 5 and has no end of its own.
    const to =
      whole === "*" ? rule.most : last !== undefined ? numberOf(last, rule) : step === undefined ? from : rule.most;
    if (from === null || to === null) return `"${part}" is not within ${rule.least} to ${rule.most}`;
    if (from > to) return `"${part}" ends before it begins`;
    const every = step === undefined ? 1 : Number(step);
    if (every < 1 || every > rule.most) return `"${part}" steps by ${every}`;
    if (ordinal !== undefined) {
      const number = Number(ordinal);
      if (rule.most !== 7 || first === undefined || last !== undefined || step !== undefined) {
        return `"${part}": # belongs behind one day of the week`;
      }
      if (number < 1 || number > 5) return `"${part}": a month has no such week`;
      ordinals.push({ day: from % 7, ordinal: number });
    } else for (let value = from; value <= to; value += every) allowed.add(rule.most === 7 ? value % 7 : value);
  }
  return { allowed, ordinals, everything: text === "*" };
}

function numberOf(word: string, rule: FieldRule): number | null {
  const named = rule.names.indexOf(word.toLowerCase());
  if (named >= 0) return named + rule.least;
  const value = /^[0-9]{1,2}$/.test(word) ? Number(word) : Number.NaN;
  return value >= rule.least && value <= rule.most ? value : null;
}

/** Looked at over 29 years: every calendar that a year can have is among them. */
function longestGapDays(days: Field, months: Field, weekdays: Field): number {
  const dayMs = 86_400_000;
  const firstMs = Date.UTC(2024, 0, 1);
  let last: number | null = null;
  let longest = 0;
  for (let day = 0; day < 366 * 29; day++) {
    const date = new Date(firstMs + day * dayMs);
    if (!isRunDay(date, days, months, weekdays)) continue;
    if (last !== null) longest = Math.max(longest, day - last);
    last = day;
  }
  return last === null ? Infinity : longest;
}

/** As in cron: where both fields of days are restricted, one of them is enough. */
function isRunDay(date: Date, days: Field, months: Field, weekdays: Field): boolean {
  if (!months.allowed.has(date.getUTCMonth() + 1)) return false;
  const number = date.getUTCDate();
  const weekday = date.getUTCDay();
  const byNumber = days.allowed.has(number);
  const byWeekday =
    weekdays.allowed.has(weekday) ||
    weekdays.ordinals.some(({ day, ordinal }) => day === weekday && Math.ceil(number / 7) === ordinal);
  if (days.everything || weekdays.everything) return byNumber && byWeekday;
  return byNumber || byWeekday;
}
