// Snapshots as JSON for programs: restic's fields, with the id.

import { encodeSnapshot, type StoredSnapshot } from "@holdfast/repository";

/** The fields of the stored file, in its spelling, then `id` and `short_id`. */
export function snapshotToJson(snapshot: StoredSnapshot): Record<string, unknown> {
  const { id, ...stored } = snapshot;
  const fields = JSON.parse(encodeSnapshot(stored).toString("utf8")) as Record<string, unknown>;
  return { ...fields, id, short_id: id.slice(0, 8) };
}
