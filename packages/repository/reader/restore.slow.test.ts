// A sparse file of a gigabyte comes back with the same content and at least restic's holes.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import {
  assertSameFacts,
  capture,
  createRepository,
  describeTree,
  openRepository,
  restic,
  restoreTo,
  Workplace,
} from "./restore-fixture.ts";

const sizeBytes = 1024 ** 3;

test("a sparse file of a gigabyte", async () => {
  using place = new Workplace();
  fs.mkdirSync(place.at("source"));
  const file = fs.openSync(place.at("source", "sparse"), "w");
  fs.writeSync(file, "begin", 0);
  fs.writeSync(file, "middle", sizeBytes / 2 + 77);
  fs.ftruncateSync(file, sizeBytes);
  fs.closeSync(file);
  const made = await createRepository(place.at("repository"));
  const snapshot = await capture(made, place.at("source"));
  await made[Symbol.asyncDispose]();
  await using repository = await openRepository(place.at("repository"));
  const { errors } = await restoreTo(repository, snapshot, place.at("ours"), { sparse: true, verify: true });
  assert.deepEqual(errors, []);
  restic(place.at("repository"), "restore", `${snapshot.id}:/source`, "--sparse", "--target", place.at("theirs"));
  const [ours, theirs] = [describeTree(place.at("ours")), describeTree(place.at("theirs"))];
  assertSameFacts(ours.facts, theirs.facts);
  assert.ok(ours.blocks.get("/sparse")! <= theirs.blocks.get("/sparse")!);
});
