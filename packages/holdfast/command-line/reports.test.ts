// The shapes of what verbs print: JSON for programs, lines for people.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BackupSummary, CheckReport, RestoreSummary, StoredSnapshot, TreeNode } from "@holdfast/repository";
import { backupStatusJson, backupSummaryJson, backupSummaryLines } from "./backup-report.ts";
import { checkSummaryJson, checkSummaryLines, findingJson, findingLines } from "./check-report.ts";
import { nodeJson, nodeLine } from "./display/node-lines.ts";
import { groupsToJson, snapshotLines } from "./repo/snapshots.ts";
import { diffSummaryJson, diffSummaryLines } from "./repo/diff.ts";
import { FolderFilter } from "./repo/ls.ts";
import { statsJson, statsLines } from "./repo/stats.ts";
import { restoreSummaryJson, restoreSummaryLines } from "./restore-report.ts";
import { snapshotToJson } from "./snapshot-json.ts";

const snapshot: StoredSnapshot = {
  id: "ab".repeat(32),
  time: "2024-05-01T10:00:00.5+02:00",
  parent: null,
  tree: "cd".repeat(32),
  paths: ["/srv", "/e\nvil"],
  hostname: "alpha",
  username: "me",
  uid: 0,
  gid: 0,
  excludes: [],
  tags: ["daily"],
  original: null,
  programVersion: "holdfast 0.1.0",
  summary: null,
  unknownFields: { later: 1 },
};

const backupSummary: BackupSummary = {
  snapshotId: "ab".repeat(32),
  treeId: "cd".repeat(32),
  parentId: null,
  files: { new: 1, changed: 2, unmodified: 3 },
  dirs: { new: 4, changed: 5, unmodified: 6 },
  dataBlobs: 7,
  treeBlobs: 8,
  bytesProcessed: 2048,
  bytesAdded: 1024,
  bytesStored: 512,
  durationMs: 61_500,
  errors: 1,
};

describe("backup", () => {
  it("has restic's summary for programs", () => {
    assert.deepEqual(backupSummaryJson(backupSummary, { start: "s", end: "e" }, false), {
      message_type: "summary",
      files_new: 1,
      files_changed: 2,
      files_unmodified: 3,
      dirs_new: 4,
      dirs_changed: 5,
      dirs_unmodified: 6,
      data_blobs: 7,
      tree_blobs: 8,
      data_added: 1024,
      data_added_packed: 512,
      total_files_processed: 6,
      total_bytes_processed: 2048,
      total_duration: 61.5,
      backup_start: "s",
      backup_end: "e",
      snapshot_id: snapshot.id,
      errors: 1,
    });
    const dry = backupSummaryJson({ ...backupSummary, snapshotId: null }, { start: "s", end: "e" }, true);
    assert.equal("snapshot_id" in dry, false);
    assert.equal("dry_run" in dry, true);
  });

  it("has restic's status for programs", () => {
    const progress = { unit: "files", done: 1, total: null, bytesDone: 5, bytesTotal: 10, errors: 0, current: ["/a"] };
    assert.deepEqual(backupStatusJson(progress, 1999, 500), {
      message_type: "status",
      seconds_elapsed: 1,
      seconds_remaining: 0,
      percent_done: 0.5,
      files_done: 1,
      total_bytes: 10,
      bytes_done: 5,
      error_count: 0,
      current_files: ["/a"],
    });
  });

  it("has lines for people", () => {
    assert.deepEqual(backupSummaryLines(backupSummary, false, false), [
      "Files:           1 new,     2 changed,     3 unmodified",
      "Dirs:            4 new,     5 changed,     6 unmodified",
      "Added to the repository: 1.000 KiB (512 B stored)",
      "",
      "processed 6 files, 2.000 KiB in 1:01",
      "snapshot abababab saved",
    ]);
    assert.match(
      backupSummaryLines({ ...backupSummary, snapshotId: null }, false, false).join("\n"),
      /no snapshot was made/,
    );
    assert.match(backupSummaryLines({ ...backupSummary, snapshotId: null }, true, false).join("\n"), /Would add/);
  });
});

describe("snapshots", () => {
  it("are the stored fields and the id", () => {
    assert.deepEqual(snapshotToJson(snapshot), {
      time: "2024-05-01T10:00:00.5+02:00",
      tree: snapshot.tree,
      paths: ["/srv", "/e\nvil"],
      hostname: "alpha",
      username: "me",
      tags: ["daily"],
      program_version: "holdfast 0.1.0",
      later: 1,
      id: snapshot.id,
      short_id: "abababab",
    });
  });

  it("are a list, or groups", () => {
    const groups = [{ key: { hostname: "alpha", paths: null, tags: null }, snapshots: [snapshot] }];
    assert.deepEqual(groupsToJson(groups, false), [snapshotToJson(snapshot)]);
    assert.deepEqual(groupsToJson(groups, true), [
      { group_key: groups[0]?.key, snapshots: [snapshotToJson(snapshot)] },
    ]);
  });

  it("are a table, with names made safe", () => {
    const lines = snapshotLines(
      [{ key: { hostname: "", paths: null, tags: null }, snapshots: [snapshot] }],
      false,
      false,
    );
    assert.match(
      lines.join("\n"),
      /^ID +Time +Host +Tags +Paths\n-+\nabababab .* alpha +daily +\/srv\n +"\/e\\nvil"\n-+\n1 snapshot$/,
    );
    assert.deepEqual(snapshotLines([], false, false), ["0 snapshots"]);
  });
});

describe("entries", () => {
  const node: TreeNode = {
    name: Buffer.from([0x66, 0xff]),
    type: "file",
    mode: 0o640,
    mtime: 1_700_000_000_123_456_789n,
    atime: 0n,
    ctime: 0n,
    uid: 7,
    gid: 8,
    user: "",
    group: "",
    inode: 2n ** 60n,
    deviceId: 1n,
    size: 42n,
    links: 1n,
    linkTarget: null,
    xattrs: [],
    genericAttributes: null,
    device: 0n,
    content: [],
    subtree: null,
    error: "",
  };
  const path = Buffer.concat([Buffer.from("/d/"), node.name]);

  it("have restic's fields, and their bytes where these are no UTF-8", () => {
    assert.deepEqual(nodeJson(path, node, String), {
      name: "f\ufffd",
      type: "file",
      path: "/d/f\ufffd",
      path_base64: path.toString("base64"),
      uid: 7,
      gid: 8,
      size: 42n,
      mode: 0o640,
      permissions: "-rw-r-----",
      mtime: "1700000000123456789",
      atime: "0",
      ctime: "0",
      inode: 2n ** 60n,
      message_type: "node",
      struct_type: "node",
    });
  });

  it("have short and long lines", () => {
    assert.equal(nodeLine(path, node, { long: false, humanReadable: false }), '"/d/f\\xff"');
    assert.match(
      nodeLine(path, node, { long: true, humanReadable: false }),
      /^-rw-r----- {5}7 {5}8 {5}42 2023-11-\d\d \d\d:\d\d:20 "\/d\/f\\xff"$/,
    );
  });

  it("are those in the folders, and below them on request", () => {
    const bytes = (text: string): Buffer => Buffer.from(text);
    const flat = new FolderFilter([bytes("/a/b/")], false);
    assert.deepEqual(
      ["/a", "/a/b", "/a/b/c", "/a/bc"].map((each) => flat.lists(bytes(each))),
      [false, true, true, false],
    );
    assert.deepEqual(
      ["/a", "/a/b", "/a/b/c", "/x"].map((each) => flat.enters(bytes(each))),
      [true, true, false, false],
    );
    assert.equal(new FolderFilter([bytes("/a/b")], true).enters(bytes("/a/b/c")), true);
    assert.equal(new FolderFilter([], false).enters(bytes("/x/y")), true);
    assert.deepEqual(
      ["/x", "/x/y"].map((each) => new FolderFilter([bytes("/")], false).enters(bytes(each))),
      [false, false],
    );
  });
});

describe("restore", () => {
  const none = { restored: 0, updated: 0, unchanged: 0, skipped: 0 };
  const summary: RestoreSummary = {
    files: { restored: 3, updated: 1, unchanged: 2, skipped: 1 },
    dirs: { ...none, restored: 2 },
    others: none,
    deleted: 1,
    bytesRestored: 2048,
    bytesSkipped: 10,
    filesVerified: 4,
    errors: 0,
    ownersNotSet: 1,
    socketsSkipped: 0,
    durationMs: 3000,
  };
  it("has restic's summary for programs", () => {
    const json = restoreSummaryJson(summary, false) as Record<string, unknown>;
    const {
      total_files,
      files_restored,
      files_skipped,
      files_deleted,
      total_bytes,
      bytes_restored,
      bytes_skipped,
      files_verified,
    } = json;
    assert.deepEqual(
      [
        total_files,
        files_restored,
        files_skipped,
        files_deleted,
        total_bytes,
        bytes_restored,
        bytes_skipped,
        files_verified,
      ],
      [9, 6, 3, 1, 2058, 2048, 10, 4],
    );
  });
  it("has lines for people", () => {
    assert.deepEqual(restoreSummaryLines(summary, false), [
      "restored 6 entries (2.000 KiB) in 0:03",
      "3 entries were there already or left alone (10 B)",
      "1 entry deleted",
      "4 files read again and found equal",
      "1 entry belongs to you: only root may give files away",
    ]);
  });
});

describe("check", () => {
  const finding = {
    severity: "error",
    kind: "pack-damaged",
    message: "the pack 12 is damaged",
    file: { type: "pack", name: "12" },
    snapshots: [snapshot.id],
    snapshotCount: 23,
    groups: [{ name: "mist", snapshots: [snapshot.id], snapshotCount: 2, paths: [Buffer.from("/a\nb")], pathCount: 3 }],
    paths: [Buffer.from("/a\nb")],
    pathCount: 3,
  } as const;
  const report: CheckReport = {
    verdict: "damaged",
    findings: [finding],
    keys: 1,
    indexFiles: 1,
    snapshots: 1,
    packs: 2,
    packBytes: 1024,
    blobs: 3,
    duplicateBlobs: 2,
    duplicateBytes: 2048,
    mixedPacks: 1,
    trees: 1,
    unused: null,
    packsRead: 0,
    bytesRead: 0,
  };
  it("names what is hurt", () => {
    assert.deepEqual(findingLines(finding), [
      "error: the pack 12 is damaged",
      "  hurts 23 snapshots: abababab and 22 more",
      "  hurts the stack mist in 2 snapshots",
      '  "/a\\nb"',
      "  and 2 more",
    ]);
    assert.deepEqual(findingJson(finding), {
      message_type: "error",
      message: "the pack 12 is damaged",
      severity: "error",
      kind: "pack-damaged",
      file: { type: "pack", name: "12" },
      blobs: [],
      blob_count: 0,
      snapshots: [snapshot.id],
      snapshot_count: 23,
      stacks: [{ stack: "mist", snapshots: [snapshot.id], snapshot_count: 2, paths: ["/a\nb"], path_count: 3 }],
      paths: ["/a\nb"],
      path_count: 3,
    });
  });
  it("sums up, and never calls damage clean", () => {
    const json = checkSummaryJson(report) as Record<string, unknown>;
    assert.deepEqual([json["num_errors"], json["broken_packs"], json["verdict"]], [1, ["12"], "damaged"]);
    assert.doesNotMatch(checkSummaryLines(report).join("\n"), /no errors/);
    const clean = { ...report, verdict: "clean", findings: [] } as const;
    assert.match(checkSummaryLines(clean).join("\n"), /2 further copies of blobs \(2.000 KiB\)\n1 pack with both/);
    assert.match(checkSummaryLines(clean).join("\n"), /no errors were found; the contents of data were not read/);
    const some = checkSummaryLines({ ...clean, packsRead: 1, bytesRead: 512 }).join("\n");
    assert.match(some, /512 B of 1 pack read[^]*no errors were found; 1 pack not read/);
    const whole = checkSummaryLines({ ...clean, packsRead: 2, bytesRead: 1024 }).join("\n");
    assert.match(whole, /1.000 KiB read and compared[^]*no errors were found$/);
  });
});

describe("diff", () => {
  const counts = { files: 1, dirs: 2, others: 3, dataBlobs: 4, treeBlobs: 5, bytes: 2048 };
  const statistics = { changedFiles: 7, added: counts, removed: { ...counts, files: 0, bytes: 10 } };
  it("has restic's statistics for programs and for people", () => {
    assert.deepEqual(diffSummaryJson(statistics, "a", "b"), {
      message_type: "statistics",
      source_snapshot: "a",
      target_snapshot: "b",
      changed_files: 7,
      added: { files: 1, dirs: 2, others: 3, data_blobs: 4, tree_blobs: 5, bytes: 2048 },
      removed: { files: 0, dirs: 2, others: 3, data_blobs: 4, tree_blobs: 5, bytes: 10 },
    });
    const lines = diffSummaryLines(statistics);
    assert.equal(lines[0], "Files:           1 new,     0 removed,     7 changed");
    assert.deepEqual(lines.slice(-2), ["  Added:   2.000 KiB", "  Removed: 10 B"]);
  });
});

describe("stats", () => {
  const plain = {
    mode: "restore-size",
    snapshots: 2,
    totalBytes: 1024,
    files: 3,
    blobs: null,
    compression: null,
  } as const;
  it("have restic's fields, and only those that were counted", () => {
    assert.deepEqual(statsJson(plain), { total_size: 1024, total_file_count: 3, snapshots_count: 2 });
    const compression = { uncompressedBytes: 2048, ratio: 2, progress: 100, spaceSaving: 50 };
    assert.deepEqual(statsJson({ ...plain, mode: "raw-data", files: null, blobs: 4, compression }), {
      total_size: 1024,
      total_uncompressed_size: 2048,
      compression_ratio: 2,
      compression_progress: 100,
      compression_space_saving: 50,
      total_blob_count: 4,
      snapshots_count: 2,
    });
  });
  it("have restic's lines", () => {
    assert.deepEqual(statsLines(plain), [
      "Stats in restore-size mode:",
      "     Snapshots processed:  2",
      "        Total File Count:  3",
      "              Total Size:  1.000 KiB",
    ]);
  });
});
