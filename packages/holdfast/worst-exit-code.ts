// One exit code for several things that were done.
import { exitCodes, type ExitCode } from "./exit-codes.ts";

/** From the best to the worst: the last ones can not even be looked at. */
const order: readonly ExitCode[] = [
  exitCodes.done,
  exitCodes.partial,
  exitCodes.locked,
  exitCodes.failed,
  exitCodes.usage,
  exitCodes.wrongPassword,
  exitCodes.repositoryMissing,
  exitCodes.interrupted,
];

export function worstExitCode(codes: Iterable<ExitCode>): ExitCode {
  let worst: ExitCode = exitCodes.done;
  for (const code of codes) if (order.indexOf(code) > order.indexOf(worst)) worst = code;
  return worst;
}
