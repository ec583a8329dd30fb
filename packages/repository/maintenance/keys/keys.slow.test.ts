// Keys: restic opens with those that are added here and the other way round; the one in use stays.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode, HoldfastError } from "../../errors.ts";
import { MemoryStorage } from "../../testing/memory-storage.ts";
import { makeRepository } from "../../writer/backup-fixture.ts";
import { addKey, changePassword, listKeys, removeKey } from "./keys.ts";
import { loadPack } from "../load-pack.ts";
import { passwordWeakness } from "./password-weakness.ts";
import { password, requiredBinary, ResticRepository } from "../restic-repository.ts";

const owner = { username: "someone", hostname: "somewhere" };
const restic = requiredBinary("HOLDFAST_RESTIC");

test("restic opens with a key that was added here, and lists it", async () => {
  using made = await ResticRepository.make(restic, 2);
  await using repository = await made.open();
  const id = await addKey(repository, "another password", owner);
  const listed = JSON.parse(made.runAs("another password", "key", "list", "--json")) as {
    id: string;
    current: boolean;
    userName: string;
    hostName: string;
  }[];
  assert.deepEqual([listed.length, listed.filter(({ current }) => current).length], [2, 1]);
  const current = listed.find((key) => key.current);
  assert.ok(id.startsWith(current!.id));
  assert.deepEqual([current?.userName, current?.hostName], ["someone", "somewhere"]);
});

test("a key that restic added opens the repository here, and the old one can be removed with it", async () => {
  using made = await ResticRepository.make(restic, 2);
  const file = join(made.work, "password");
  writeFileSync(file, "by restic\n");
  made.run("key", "add", "--new-password-file", file);
  await using repository = await made.open("by restic");
  const { keys, damaged } = await listKeys(repository);
  assert.deepEqual(damaged, []);
  assert.equal(keys.length, 2);
  assert.deepEqual(
    keys.filter(({ isCurrent }) => isCurrent).map(({ id }) => id),
    [repository.keyId],
  );
  await assert.rejects(removeKey(repository, repository.keyId), (error) => hasCode(error, "usage"));
  await removeKey(repository, keys.find(({ isCurrent }) => !isCurrent)!.id);
  await assert.rejects(made.open(), (error) => hasCode(error, "wrong-password"));
  assert.equal((await listKeys(repository)).keys.length, 1);
});

test("after a change of the password only the new one opens, here and for restic", async () => {
  using made = await ResticRepository.make(restic, 2);
  {
    await using repository = await made.open();
    const id = await changePassword(repository, "the new one", owner);
    assert.deepEqual(
      (await listKeys(repository)).keys.map((key) => key.id),
      [id],
    );
  }
  await assert.rejects(made.open(), (error) => hasCode(error, "wrong-password"));
  await using reopened = await made.open("the new one");
  assert.equal(reopened.version, 2);
  made.runAs("the new one", "snapshots");
  assert.throws(() => made.runAs(password, "snapshots"));
});

test("a change of the password whose old key stays says that both open", async () => {
  const storage = new MemoryStorage();
  await using repository = await makeRepository(storage);
  storage.remove = () => Promise.reject(new HoldfastError("refused", "append-only"));
  await assert.rejects(changePassword(repository, "the new one", owner), (error) => {
    assert.ok(hasCode(error, "refused"));
    return error.message.startsWith(
      `the new password works; the old key ${repository.keyId} could not be removed: append-only`,
    );
  });
  assert.equal((await listKeys(repository)).keys.length, 2);
});

test("a damaged key is listed as such", async () => {
  using made = await ResticRepository.make(restic, 2);
  await using repository = await made.open();
  const name = "ab".repeat(32);
  await repository.storage.put("key", name, [Buffer.from("{}")]);
  const { keys, damaged } = await listKeys(repository);
  assert.equal(keys.length, 1);
  assert.deepEqual(
    damaged.map(({ id }) => id),
    [name],
  );
});

test("a pack is given whole, and not when it does not match its name", async () => {
  using made = await ResticRepository.make(restic, 2);
  made.makeSnapshots();
  await using repository = await made.open();
  const [pack] = await Array.fromAsync(repository.storage.list("pack"));
  assert.equal((await loadPack(repository, pack!.name)).length, pack!.sizeBytes);
  const name = "ef".repeat(32);
  await repository.storage.put("pack", name, [Buffer.from("something else")]);
  await assert.rejects(loadPack(repository, name), (error) => hasCode(error, "damaged"));
});

test("weak passwords are told from strong ones", () => {
  for (const weak of [
    "",
    "x",
    "aaaaaaaaaaaaaaaa",
    "password",
    "Password1!",
    "12345678",
    "qwertyuiop",
    "zyxwvuts",
    "backup2024",
    "abababababababab",
    "short",
    "kfjwqpz",
    "hunter2",
  ]) {
    assert.notEqual(passwordWeakness(weak), null, weak);
  }
  for (const strong of [
    "correct horse battery staple",
    "kQ7!vW2#xL9@",
    "zufällig gewählte Wörter",
    "8f3b9c0a1d7e5542",
    "mein passwort ist ziemlich lang",
  ]) {
    assert.equal(passwordWeakness(strong), null, strong);
  }
});
