// Tests of the choice among exit codes.
import assert from "node:assert/strict";
import { it } from "node:test";
import { exitCodes } from "./exit-codes.ts";
import { worstExitCode } from "./worst-exit-code.ts";

it("knows every exit code, and takes the worst", () => {
  assert.equal(worstExitCode([]), exitCodes.done);
  for (const code of Object.values(exitCodes)) assert.equal(worstExitCode([exitCodes.done, code]), code);
  assert.equal(worstExitCode([exitCodes.failed, exitCodes.partial, exitCodes.done]), exitCodes.failed);
  assert.equal(worstExitCode([exitCodes.failed, exitCodes.repositoryMissing]), exitCodes.repositoryMissing);
});
