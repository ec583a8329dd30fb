// Tables for people: columns as wide as they need to be, several lines in a cell where it has several.

import { displayWidth, padTo } from "./width.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly right?: boolean;
}

/** Lines of the table: titles, a rule, the rows, a rule, the footer. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  footer: readonly string[],
): string[] {
  const cells = rows.map((row) => columns.map((column) => column.cell(row).split("\n")));
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => Math.max(...(row[index] ?? [""]).map(displayWidth)))),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) => {
        const gap = (widths[index] ?? 0) - displayWidth(text);
        return columns[index]?.right === true ? " ".repeat(gap) + text : padTo(text, widths[index] ?? 0);
      })
      .join("  ")
      .trimEnd();
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  const severalLines = cells.some((row) => row.some((cell) => cell.length > 1));
  const lines = [line(columns.map((column) => column.title)), rule];
  cells.forEach((row, number) => {
    if (severalLines && number > 0) lines.push("");
    const height = Math.max(...row.map((cell) => cell.length));
    for (let index = 0; index < height; index++) lines.push(line(row.map((cell) => cell[index] ?? "")));
  });
  return [...lines, rule, ...footer];
}
