// What the verbs that annotate a recovery point say when they have done so.
import { formatCount } from "../../display/amounts.ts";
import type { Annotation } from "../../jobs/annotate-point.ts";
import type { Chosen } from "../../jobs/choose-snapshot.ts";
import { printableName } from "../display/printable.ts";
import type { Output } from "../output.ts";

/** `what` is "pin" or "hold"; `removed` tells whether it was taken away. */
export function reportAnnotation(
  { stack, snapshot, repository }: Chosen,
  { changed }: Annotation,
  { what, removed }: { readonly what: "pin" | "hold"; readonly removed: boolean },
  output: Output,
): void {
  if (output.json) {
    output.jsonLine({
      message_type: "summary",
      action: removed ? `${what}_removed` : what,
      stack,
      repository: repository.name,
      snapshot_id: snapshot.id,
      changed: changed.map(({ id, at, by, note, removedAt, ...rest }) => ({
        id,
        at,
        by,
        note,
        removed_at: removedAt,
        ...(typeof rest["until"] === "string" ? { until: rest["until"] } : {}),
      })),
    });
    return;
  }
  const point = `the recovery point ${snapshot.id.slice(0, 8)} of ${printableName(stack)} in ${repository.name}`;
  if (removed) {
    output.note(
      changed.length === 0 ? `${point} had no ${what}` : `${formatCount(changed.length, what)} of ${point} removed`,
    );
  } else if (changed.length === 0) output.note(`${point} had this ${what} already`);
  else output.note(`${point} is ${what === "pin" ? "pinned" : "held"}`);
}
