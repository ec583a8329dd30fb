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
  const cellsOf = (row: Row): string[][] => columns.map((column) => column.cell(row).split("\n"));
  const widths = columns.map((column) => displayWidth(column.title));
  let severalLines = false;
  // Every cell is made twice: a table may have 100,000 rows, and their cells would take more memory than the rows.
  for (const row of rows) {
    for (const [index, cell] of cellsOf(row).entries()) {
      if (cell.length > 1) severalLines = true;
      for (const text of cell) widths[index] = Math.max(widths[index] ?? 0, displayWidth(text));
    }
  }
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) => {
        const gap = (widths[index] ?? 0) - displayWidth(text);
        return columns[index]?.right === true ? " ".repeat(gap) + text : padTo(text, widths[index] ?? 0);
      })
      .join("  ")
      .trimEnd();
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  const lines = [line(columns.map((column) => column.title)), rule];
  for (const [number, row] of rows.entries()) {
    if (severalLines && number > 0) lines.push("");
    const cells = cellsOf(row);
    const height = Math.max(...cells.map((cell) => cell.length));
    for (let index = 0; index < height; index++) lines.push(line(cells.map((cell) => cell[index] ?? "")));
  }
  return [...lines, rule, ...footer];
}
