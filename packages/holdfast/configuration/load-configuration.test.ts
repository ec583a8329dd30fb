// Whole configurations: what they come to, and everything that is wrong in them, at once and with its place.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { hasCode, type HoldfastError } from "@holdfast/repository";
import { sourceKinds } from "@holdfast/sources";
import type { Configuration } from "./configuration.ts";
import { ConfigurationFixture, linesOf, minimal } from "./configuration-fixture.ts";
import { loadConfiguration, type Reading } from "./load-configuration.ts";

const full = `
repositories:
  local:   { url: /srv/backups, password_file: /etc/holdfast/key, media: disk }
  offsite: { url: "rest:https://backup.example/app/", password_command: [pass, show, holdfast], credentials_file: /etc/holdfast/rest, media: object, place: offsite }
stacks:
  mist:
    sources:
      database:     { sqlite: /var/lib/mist/mist.db, critical: true }
      uploads:      { files: { paths: [/var/lib/mist/uploads], exclude: ["*.tmp"] }, optional: true }
      certificates: { files: [/opt/mist/letsencrypt/acme.json, /opt/mist/traefik-static.yml], during: hot }
    plans:
      daily:
        schedule: "0 2 * * *"
        to:
          local:   { keep: { last: 3, daily: 7, weekly: 4, within: 30d, tags: [keep] } }
      by-hand: { schedule: off, to: { offsite: { keep: { monthly: 12, yearly: 7, hourly: 24 } } } }
    prove: { restore: monthly, recovery: quarterly, rto: 1h30m, rpo: 24h }
`;

const good = ({ configuration, problems }: Reading): Configuration =>
  configuration ?? assert.fail(linesOf(problems, "error").join("\n"));

describe("a configuration", () => {
  const fixture = new ConfigurationFixture();
  after(() => fixture[Symbol.dispose]());

  it("R006, R097, R189: comes to typed values with every default", () => {
    const { repositories, stacks } = good(fixture.read(full));
    assert.deepEqual(repositories.get("local"), {
      name: "local",
      url: "/srv/backups",
      location: { scheme: "local", path: "/srv/backups", printable: "/srv/backups" },
      password: { file: "/etc/holdfast/key" },
      credentialsFile: null,
      media: "disk",
      place: null,
    });
    const { password, credentialsFile, media, place } = repositories.get("offsite") ?? assert.fail();
    assert.deepEqual(
      { password, credentialsFile, media, place },
      {
        password: { command: ["pass", "show", "holdfast"] },
        credentialsFile: "/etc/holdfast/rest",
        media: "object",
        place: "offsite",
      },
    );
    const mist = stacks.get("mist") ?? assert.fail();
    assert.deepEqual([...mist.sources.keys()], ["database", "uploads", "certificates"]);
    const facts = [...mist.sources.values()].map(({ kind, optional, critical }) => [kind.name, optional, critical]);
    assert.deepEqual(facts, [
      ["sqlite", false, true],
      ["files", true, false],
      ["files", false, false],
    ]);
    assert.equal(mist.sources.get("database")?.kind, sourceKinds.sqlite);
    assert.deepEqual(mist.sources.get("certificates")?.options, {
      paths: ["/opt/mist/letsencrypt/acme.json", "/opt/mist/traefik-static.yml"],
      exclude: [],
    });
    assert.deepEqual(mist.prove, { restore: "monthly", recovery: "quarterly", rtoMs: 5_400_000, rpoMs: 86_400_000 });
    const none = { last: null, hourly: null, daily: null, weekly: null, monthly: null, yearly: null, withinMs: null };
    assert.deepEqual(mist.plans.get("daily"), {
      name: "daily",
      schedule: "0 2 * * *",
      destinations: [
        {
          repository: "local",
          required: true,
          keep: { ...none, last: 3, daily: 7, weekly: 4, withinMs: 30 * 86_400_000, tags: ["keep"] },
        },
      ],
    });
    assert.deepEqual(mist.plans.get("by-hand"), {
      name: "by-hand",
      schedule: null,
      destinations: [
        { repository: "offsite", required: true, keep: { ...none, monthly: 12, yearly: 7, hourly: 24, tags: [] } },
      ],
    });
  });

  it("needs very little", () => {
    const { stacks } = good(fixture.read(minimal()));
    assert.deepEqual(stacks.get("app")?.plans.get("daily")?.destinations, [
      { repository: "local", required: true, keep: null },
    ]);
    assert.deepEqual(fixture.warnings(minimal()), []);
  });

  it("says where a value stands, for errors that only show at work", () => {
    const { line, column, file } = good(fixture.read(minimal())).locate(["stacks", "app", "sources", "data", "sqlite"]);
    assert.deepEqual([file, line, column], [fixture.file, 6, 23]);
  });

  it("warns of what is checked but not acted on yet", () => {
    const later = fixture.warnings(full).filter((line) => /not acted on yet|by a scheduler/.test(line));
    assert.deepEqual(
      later.map((line) => line.split(" ").slice(0, 2)),
      [
        ["3:67", "repositories.local.media"],
        ["4:150", "repositories.offsite.place"],
        ["13:9", "stacks.mist.plans.daily.schedule"],
        ["15:22", "stacks.mist.plans.daily.to.local.keep"],
        ["17:5", "stacks.mist.prove"],
      ],
    );
  });

  it("R114, R332: without a password is refused, and so is a password that stands in it", () => {
    const canary = "CANARY-hunter2";
    const refused = (repository: string): string => fixture.errors(minimal({ repository })).join("\n");
    assert.equal(refused("{ url: /srv/backups }"), "2:3 repositories.local has no password");
    assert.match(refused("{ url: /srv/b, password_file: }"), /password_file has no value/);
    assert.match(
      refused("{ url: /srv/b, password_file: /k, password_command: [pass] }"),
      /password_command stands beside/,
    );
    assert.match(refused("{ url: /srv/b, password_command: pass show x }"), /must be a list, and is text/);
    for (const key of ["password", "passphrase", "pass", "secret_key", "token", "access_key", "key"]) {
      assert.match(
        refused(`{ url: /srv/b, password_file: /k, ${key}: ${canary} }`),
        new RegExp(`local.${key} must not stand here`),
      );
    }
    for (const url of [
      `rest:https://me:${canary}@h/`,
      `rest:https://${canary}@h/`,
      `s3:https://a:${canary}@h/b`,
      `postgres://u:${canary}@h`,
    ]) {
      assert.match(refused(`{ url: "${url}", password_file: /k }`), /must not contain a user or a password/, url);
    }
    for (const content of [
      `a: ${canary}`,
      minimal({ repository: `{ url: ${canary}, password_file: ${canary}, media: ${canary} }` }),
    ]) {
      const { problems } = fixture.read(content);
      assert.notEqual(problems.length, 0);
      assert.doesNotMatch(JSON.stringify(problems), /CANARY/);
    }
  });

  it("names everything that is wrong at once, with the nearest name", () => {
    const wrong = `repositories:
  local: { url: /srv/backups, password_file: key, media: disc }
  Off_site: { url: "s3:https://s3.example/b", password_file: /k }
  holdfast-x: { url: var/x, password_file: /k }
stcks: {}
stacks:
  app:
    services: [ { systemd: app.service } ]
    sources:
      a: { sqlit: /a.db }
      b: { files: { paths: [/b], exlude: ["*.tmp"] }, optinal: true }
      c: { files: [/c], sqlite: /c.db }
      d: {}
      e: { files: [e, 5], during: stop }
      f: { files: /f }
      g: { postgres: { url: "postgres://h/db" } }
      h: { files: [/h], optional: true, critical: true }
      "a b": { files: [/x] }
    plans:
      daily:
        schedule: "61 2 * * *"
        to: { locl: { keep: { daily: 0, weekly: 1.5, monthly: 100001, within: 6m } }, local: { required: no, keep: {} } }
    prove: { restore: montly, rto: 15x, rpo: 0s }
  empty: { sources: {}, plans: }
`;
    assert.deepEqual(fixture.errors(wrong), [
      "2:46 repositories.local.password_file must be an absolute path: it begins with /",
      "2:58 repositories.local.media must be one of disk, object, tape, optical",
      "3:3 repositories.Off_site is no name: use a to z, 0 to 9 and -, and begin with a letter or a digit",
      '3:20 repositories.Off_site.url is not yet supported by this version: these are: a path, local:PATH, rest:http://HOST/ and rest:https://HOST/; a path with a colon in it needs "local:" before it',
      "4:3 repositories.holdfast-x is reserved: names that begin with holdfast are Holdfast's own",
      "4:22 repositories.holdfast-x.url must be an absolute path: it begins with /",
      "5:1 stcks is no key that is known here",
      "8:5 stacks.app.services is not yet supported by this version",
      "10:12 stacks.app.sources.a.sqlit is no key that is known here",
      "11:34 stacks.app.sources.b.files.exlude is no key that is known here",
      "11:55 stacks.app.sources.b.optinal is no key that is known here",
      "12:25 stacks.app.sources.c.sqlite stands beside files: a source is of one kind",
      "13:7 stacks.app.sources.d says nothing to capture",
      "14:20 stacks.app.sources.e.files[0] must be an absolute path",
      "14:23 stacks.app.sources.e.files[1] must be text, and is a number",
      "14:35 stacks.app.sources.e.during cannot be stop: this is not yet supported by this version",
      "15:19 stacks.app.sources.f.files must be a list or a map, and is text",
      "16:12 stacks.app.sources.g.postgres is not yet supported by this version",
      "17:41 stacks.app.sources.h.critical contradicts optional: what is critical must be there",
      "18:7 stacks.app.sources.a b is no name: use a to z, 0 to 9 and -, and begin with a letter or a digit",
      '21:19 stacks.app.plans.daily.schedule is no schedule: field 1 (minute): "61" is not within 0 to 59',
      "22:15 stacks.app.plans.daily.to.locl is no repository of this file",
      "22:38 stacks.app.plans.daily.to.locl.keep.daily must be at least 1",
      "22:49 stacks.app.plans.daily.to.locl.keep.weekly must be a whole number",
      "22:63 stacks.app.plans.daily.to.locl.keep.monthly must be at most 100000",
      "22:79 stacks.app.plans.daily.to.locl.keep.within must be hours, days or weeks like 12h, 30d or 8w (m is refused: minutes or months?)",
      "22:106 stacks.app.plans.daily.to.local.required must be true or false, and is text",
      "22:116 stacks.app.plans.daily.to.local.keep names no rule: leave keep out to keep everything",
      "23:23 stacks.app.prove.restore must be one of daily, weekly, monthly, quarterly, yearly",
      "23:36 stacks.app.prove.rto must be a span of time like 15m, 24h or 2d",
      "23:46 stacks.app.prove.rpo must be a span of time like 15m, 24h or 2d",
      "24:21 stacks.empty.sources must name at least one source",
      "24:25 stacks.empty.plans has no value: it must be a map",
    ]);
    const errors = fixture.read(wrong).problems.filter(({ severity }) => severity === "error");
    const hints = errors.map(({ field, hint }) => [field, hint]);
    for (const [field, name] of Object.entries({
      stcks: "stacks",
      "stacks.app.sources.a.sqlit": "sqlite",
      "stacks.app.sources.b.files.exlude": "exclude",
      "stacks.app.sources.b.optinal": "optional",
      "stacks.app.plans.daily.to.locl": "local",
      "stacks.app.prove.restore": "monthly",
      "repositories.local.media": "disk",
    })) {
      assert.deepEqual(
        hints.find(([each]) => each === field),
        [field, `did you mean "${name}"?`],
      );
    }
  });

  it("R106: becomes one error with file, line and column of each", () => {
    fixture.read(minimal({ plan: '{ schedule: "* * * *", to: { here: {} } }' }));
    const request = { file: fixture.file, kinds: sourceKinds, environment: {}, stateDirectory: null };
    assert.throws(
      () => loadConfiguration(request),
      (error: HoldfastError) => {
        assert.equal(error.code, "usage");
        const [first = "", second = "", ...more] = error.message.split("\n");
        assert.match(first, /holdfast\.yml:8:26: stacks\.app\.plans\.daily\.schedule must have five fields/);
        assert.match(
          second,
          /holdfast\.yml:8:43: stacks\.app\.plans\.daily\.to\.here is no repository .*\(one of: local\)$/,
        );
        assert.deepEqual(more, []);
        assert.deepEqual(error.context, {
          file: fixture.file,
          line: 8,
          column: 26,
          field: "stacks.app.plans.daily.schedule",
          errors: 2,
        });
        return true;
      },
    );
  });

  it("R111: is data: nothing in it is run, and nothing of it is taken from the environment unasked", () => {
    const pwned = fixture.path("pwned");
    const odd = `$(touch ${pwned})\`touch ${pwned}\``;
    const { repositories } = good(
      fixture.read(minimal({ repository: `{ url: /srv/b, password_command: ["${odd}", "!touch ${pwned}"] }` }), {
        HOLDFAST_CONFIG: "/nowhere",
        RESTIC_REPOSITORY: "/other",
        RESTIC_PASSWORD: "x",
      }),
    );
    assert.deepEqual(repositories.get("local")?.password, { command: [odd, `!touch ${pwned}`] });
    assert.equal(repositories.get("local")?.url, "/srv/b");
    assert.equal(existsSync(pwned), false);
  });

  it("R112: takes any value from a variable, numbers and yes and no too", () => {
    const content = minimal({
      repository: '{ url: "${BASE}/repo", password_file: "${BASE:-/etc}/key" }',
      plan: '{ schedule: "${SCHEDULE}", to: { local: { required: "${REQUIRED}", keep: { daily: "${DAYS:-14}", last: "${LAST}" } } } }',
    });
    const environment = { BASE: "/srv", SCHEDULE: "@hourly", REQUIRED: "true", LAST: "3" };
    const { repositories, stacks } = good(fixture.read(content, environment));
    assert.equal(repositories.get("local")?.url, "/srv/repo");
    const { schedule, destinations } = stacks.get("app")?.plans.get("daily") ?? assert.fail();
    assert.equal(schedule, "@hourly");
    assert.deepEqual(
      [destinations[0]?.required, destinations[0]?.keep?.daily, destinations[0]?.keep?.last],
      [true, 14, 3],
    );
    assert.deepEqual(fixture.errors(content, { ...environment, LAST: "many", BASE: "srv" }), [
      "2:17 repositories.local.url must be an absolute path: it begins with /",
      "2:48 repositories.local.password_file must be an absolute path: it begins with /",
      "8:117 stacks.app.plans.daily.to.local.keep.last must be a number, and is text",
    ]);
    assert.deepEqual(fixture.errors(content, { ...environment, LAST: undefined }), [
      "8:117 stacks.app.plans.daily.to.local.keep.last needs the variable LAST, which is not set",
    ]);
    // Text that merely looks like a number stays an error where nobody wrote a variable.
    assert.match(
      fixture.errors(minimal({ plan: '{ to: { local: { keep: { daily: "7" } } } }' }))[0] ?? "",
      /must be a number, and is text/,
    );
  });

  it("R107, R110, R192: warns of rare schedules, those that never come, and of networks without TLS", () => {
    const warnings = (plan: string): string[] =>
      fixture
        .warnings(minimal({ plan: `{ schedule: "${plan}", to: { local: {} } }` }))
        .filter((line) => !line.includes("acted on"));
    assert.match(warnings("0 0 1 * *").join(), /leaves up to 31 days/);
    assert.match(warnings("0 0 31 2 *").join(), /never comes/);
    assert.deepEqual([warnings("0 0 * * 0"), warnings("off")], [[], []]);
    const network = (url: string): string[] =>
      fixture.warnings(minimal({ repository: `{ url: "${url}", password_file: /k }` }));
    assert.match(network("rest:http://backup.example/").join(), /without TLS/);
    assert.deepEqual([network("rest:https://backup.example/"), network("rest:http://127.0.0.1:8000/")], [[], []]);
  });

  it("is refused when a plan needs no repository", () => {
    assert.deepEqual(fixture.errors(minimal({ plan: "{ to: { local: { required: false } } }" })), [
      "8:16 stacks.app.plans.daily.to has no required repository: a run would be good that stored nothing",
    ]);
  });

  it("is refused when a plan names a second repository, which nothing would write to", () => {
    const repositories = "  other: { url: /srv/other, password_file: /etc/holdfast/key }\n";
    const plan = "{ to: { local: {}, other: {} } }";
    const text = minimal({ plan }).replace("stacks:\n", `${repositories}stacks:\n`);
    assert.deepEqual(fixture.errors(text), [
      "9:33 stacks.app.plans.daily.to.other is a second repository: a plan stores in one with this version",
    ]);
  });

  it("is not read when everybody may write it, or when it is not there", () => {
    fixture.read(minimal());
    const request = { file: fixture.file, kinds: sourceKinds, environment: {}, stateDirectory: null };
    chmodSync(fixture.file, 0o602);
    assert.throws(
      () => loadConfiguration(request),
      (error) => hasCode(error, "usage") && error.message.includes("everybody may write"),
    );
    chmodSync(fixture.file, 0o600);
    assert.equal(loadConfiguration(request).file, fixture.file);
    for (const [file, reason] of [
      [fixture.path("none"), "does not exist"],
      [fixture.directory, "is a directory"],
    ] as const) {
      assert.throws(
        () => loadConfiguration({ ...request, file }),
        (error) => hasCode(error, "usage") && error.message.includes(reason),
      );
    }
  });

  it("is the one that the guide and the examples show", () => {
    const checkout = join(import.meta.dirname, "../../..");
    const example = good(fixture.read(readFileSync(join(checkout, "examples/mist/holdfast.yml"))));
    assert.deepEqual(
      [...(example.stacks.get("mist")?.sources.values() ?? [])].map(({ name, optional, critical }) => ({
        name,
        optional,
        critical,
      })),
      [
        { name: "database", optional: false, critical: true },
        { name: "uploads", optional: true, critical: false },
        { name: "certificates", optional: false, critical: false },
      ],
    );
    const keep = example.stacks.get("mist")?.plans.get("daily")?.destinations[0]?.keep;
    assert.equal(keep?.withinMs, 30 * 86_400_000);
    const guide = readFileSync(join(checkout, "docs/configuration.md"), "utf8");
    const blocks = [...guide.matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => block ?? "");
    assert.equal(blocks.length > 1, true);
    for (const block of blocks) {
      const environment = { BACKUP_DIRECTORY: "/srv/backups" };
      assert.deepEqual(fixture.errors(block, environment), [], block);
    }
  });
});
