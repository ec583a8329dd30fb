// Shows the rotation of a master key, and tells what is left to be done by a person.

import type { OpenOptions } from "@holdfast/repository";
import type { Session } from "../access/session.ts";
import { formatBytes, formatCount } from "../display/amounts.ts";
import { rotateKey, type Rotation } from "../jobs/rotate-key.ts";
import { checkProgress, checkStatusJson, findingJson, findingLines } from "./check-report.ts";
import type { Context } from "./context.ts";
import { CopyDisplay } from "./copy-report.ts";
import { printableText } from "./display/printable.ts";
import { ProgressMonitor } from "./display/progress-monitor.ts";

/** `steps`: what a person has to do afterwards, in order. */
export async function rotateAndTell(
  context: Context,
  from: Session,
  to: OpenOptions,
  steps: readonly string[],
): Promise<void> {
  const { output, globals, signal, clock } = context;
  using copying = new CopyDisplay(context);
  using monitor = new ProgressMonitor(output, {
    clock,
    framesPerSecond: globals.framesPerSecond,
    toJson: checkStatusJson,
  });
  let errors = 0;
  const rotation = await rotateKey(from, to, {
    signal,
    retryForMs: globals.retryLockMs,
    warn: (message) => output.warn(message),
    onCopy: (event) => copying.show(event),
    onCheck: (event) => {
      copying[Symbol.dispose]();
      if (event.kind === "progress") return monitor.update(checkProgress(event, errors));
      if (event.finding.severity === "error") errors++;
      if (output.json) output.jsonLine(findingJson(event.finding));
      else for (const line of findingLines(event.finding)) output.line(line);
    },
  });
  monitor[Symbol.dispose]();
  if (output.json) return output.jsonLine(rotationJson(rotation, steps));
  for (const line of rotationLines(rotation, from.repository.storage.location, steps)) output.note(printableText(line));
}

function rotationJson(rotation: Rotation, steps: readonly string[]): object {
  return {
    message_type: "summary",
    action: "rotated",
    repository: rotation.location,
    id: rotation.repositoryId,
    created: rotation.created,
    snapshots_copied: rotation.copied,
    snapshots: rotation.present,
    blobs: rotation.blobs,
    bytes_stored: rotation.storedBytes,
    bytes_read: rotation.checked.bytesRead,
    to_do: steps,
  };
}

function rotationLines(rotation: Rotation, old: string, steps: readonly string[]): string[] {
  const { location, repositoryId, present, checked } = rotation;
  return [
    `${formatCount(present, "snapshot")} of ${old} are in ${location} (${repositoryId.slice(0, 10)}) under a new master key;`,
    `${formatBytes(checked.bytesRead)} there were read back and compared, and no errors were found.`,
    "",
    "Nothing was changed in the old repository. What is left for you to do:",
    ...steps.map((step, at) => `  ${at + 1}. ${step}`),
  ];
}
