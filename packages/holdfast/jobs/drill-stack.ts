// The job that proves a recovery point: restored into a sandbox, compared with its record, and measured.
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError, type RestoreEvent } from "@holdfast/repository";
import type { Sandbox } from "@holdfast/sources";
import { identityOfProcess } from "../access/identity.ts";
import { exitCodes } from "../exit-codes.ts";
import { saveRecord } from "../records/record-snapshot.ts";
import { emptyRecord, type Proof } from "../records/stack-record.ts";
import { requireFreeSpace } from "../restoring/free-space.ts";
import { makePrivateDirectory } from "../filesystem/missing-parents.ts";
import { removeStaleSandboxes, SandboxDirectory } from "../restoring/sandbox-directory.ts";
import { isRunning } from "../state/process-identity.ts";
import type { Chosen } from "./choose-snapshot.ts";
import type { JobContext } from "./job-context.ts";
import { restorableSources, restoreSources, sizedPaths, sumOfSizes, type RestoredSource } from "./restored-sources.ts";
import { runJob } from "./run-job.ts";

export interface StackDrill {
  readonly stack: string;
  readonly proof: Proof;
  /** Null when the restore itself failed: then `failure` says why. */
  readonly restored: readonly RestoredSource[] | null;
  readonly failure: HoldfastError | null;
  readonly sizeBytes: number;
}

/**
 * Restores everything that the recovery point holds below `directory` (null: in the state directory) and removes it
 * again on every path. A drill that fails is a result, and recorded like one that passes; what is thrown could not
 * even be tried: `usage` for a recovery point that is not good, `target` for a directory that cannot be used.
 */
export function drillStack(
  chosen: Chosen,
  directory: string | null,
  context: JobContext,
  listener: (event: RestoreEvent) => void,
): Promise<StackDrill> {
  const start = { operation: "drill", stack: chosen.stack, plan: null } as const;
  requireGood(chosen);
  return runJob(start, context, async () => {
    const startedMs = context.clock();
    const inner = { ...context, signal: chosen.session.signal };
    const point = { ...chosen, repository: chosen.session.repository };
    const sources = restorableSources(point, { sources: null, path: null }, inner, listener);
    const sizeBytes = sumOfSizes(await sizedPaths(point, sources));
    const tried = await tryRestore();
    const proof = await record(chosen, tried, context.clock() - startedMs, inner);
    const passed = proof.result === "passed";
    return {
      result: { stack: chosen.stack, proof, sizeBytes, ...tried },
      report: {
        outcome: passed ? "good" : "failed",
        exitCode: passed ? exitCodes.done : exitCodes.failed,
        snapshotIds: [chosen.snapshot.id],
        counts: { sources: sources.length, differences: differencesOf(tried.restored) },
        bytes: sizeBytes,
        message: tried.failure?.message ?? null,
      },
    };

    async function tryRestore(): Promise<Pick<StackDrill, "restored" | "failure">> {
      const above = directory ?? join(context.state.path, "sandbox");
      makePrivateDirectory(above);
      await removeStaleSandboxes(above, isRunning);
      await requireFreeSpace(Buffer.from(above), sizeBytes);
      await using sandbox = await SandboxDirectory.create(above);
      await using stack = new AsyncDisposableStack();
      const targets = new Map<string, Sandbox>();
      for (const { name, kind } of sources) {
        const own = join(sandbox.path, name);
        await mkdir(own, { mode: 0o700 });
        targets.set(name, stack.use(await kind.sandbox(own, inner)));
      }
      try {
        const restored = await restoreSources(sources, ({ name }) => targets.get(name)!.target, inner);
        return { restored, failure: null };
      } catch (error) {
        if (!(error instanceof HoldfastError) || !isVerdict(error)) throw error;
        return { restored: null, failure: error };
      }
    }
  });
}

/** A proof says that all of a stack comes back. What is partial could only prove a part of it. */
function requireGood({ stack, snapshot, manifest }: Chosen): void {
  if (manifest.outcome === "good") return;
  throw new HoldfastError(
    "usage",
    `the recovery point ${snapshot.id.slice(0, 8)} of ${stack} is ${manifest.outcome}: a drill proves only whole ones`,
    { hint: `leave the id out to drill the newest good one: \`holdfast drill ${stack}\`` },
  );
}

/** What speaks of the recovery point; all else speaks of the place, the connection or the program. */
function isVerdict({ code }: HoldfastError): boolean {
  return code === "damaged" || code === "not-found" || code === "hostile" || code === "source";
}

function differencesOf(restored: readonly RestoredSource[] | null): number {
  return (restored ?? []).reduce((sum, { differences }) => sum + differences.length, 0);
}

async function record(
  { session, stack, snapshot, manifest }: Chosen,
  tried: Pick<StackDrill, "restored" | "failure">,
  rtoMs: number,
  context: JobContext,
): Promise<Proof> {
  const now = context.now();
  const passed = tried.failure === null && differencesOf(tried.restored) === 0;
  const proof: Proof = {
    id: randomUUID(),
    snapshotId: snapshot.id,
    tree: snapshot.tree,
    at: now.toISOString(),
    removedAt: null,
    host: identityOfProcess().hostname,
    result: passed ? "passed" : "failed",
    rtoMs,
    // What a recovery from this point, now, would lose.
    rpoMs: Math.max(0, now.getTime() - Date.parse(manifest.startedAt)),
    sources: (tried.restored ?? []).map(({ source }) => source.name),
  };
  await session.mayWrite;
  await saveRecord(
    session.repository,
    stack,
    { ...emptyRecord, proofs: [proof] },
    {
      ...identityOfProcess(),
      programVersion: context.programVersion,
      mayWrite: session.mayWrite,
      signal: context.signal,
    },
  );
  return proof;
}
