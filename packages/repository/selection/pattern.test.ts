// Patterns by example and by property: what a name, a path and a directory match.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { PatternList } from "./pattern-list.ts";
import { escapePattern } from "./pattern.ts";

const list = (...patterns: string[]): PatternList => new PatternList(patterns, { ignoreCase: false });
const matches = (pattern: string, path: string): boolean => list(pattern).matches(Buffer.from(path));

/** pattern, paths that match, paths that do not */
const examples: [string, string[], string[]][] = [
  ["*.tmp", ["/a.tmp", "/x/y/a.tmp", "/cache.tmp/inside", "a.tmp"], ["/a.tmpx", "/tmp"]],
  ["cache", ["/cache", "/srv/cache/x/y", "cache"], ["/cached", "/my-cache"]],
  ["/srv", ["/srv", "/srv/a/b"], ["/home/srv", "srv", "/srvx"]],
  ["/srv/*", ["/srv/a", "/srv/a/b"], ["/srv", "/x/srv/a"]],
  ["a/b", ["/a/b", "/x/a/b/c", "a/b"], ["/a/x/b", "/a"]],
  ["/a/**/z", ["/a/z", "/a/b/z", "/a/b/c/z/y"], ["/a/b", "/x/a/z", "/z"]],
  ["a/**/m/**/z", ["/q/a/m/z", "/a/1/2/m/z", "/a/1/2/m/3/4/z/end"], ["/a/z", "/a/m"]],
  ["/a/**/m/**/z", ["/a/1/2/m/z"], ["/a/1/2/z"]],
  ["**", ["/a", "/a/b", "a"], []],
  ["/", ["/", "/a", "/a/b"], ["a"]],
  ["foo/**", ["/foo", "/foo/x"], ["/fo"]],
  ["//a///b/../c/", ["/a/c", "/a/c/d"], ["/a/b"]],
  ["./x", ["/x", "/a/x"], ["/y"]],
  ["?", ["/a", "/ü", "/x/€/y"], ["/ab", "/üü"]],
  ["[a-c]x", ["/ax", "/cx"], ["/dx", "/x"]],
  ["[^a-c]x", ["/dx", "/éx"], ["/ax"]],
  ["[à-ü]", ["/é"], ["/e", "/ÿ"]],
  ["a\\*b", ["/a*b"], ["/axb"]],
  ["[\\]]", ["/]"], ["/["]],
  ["a*b*c", ["/abc", "/aXbYbZc", "/abcbc"], ["/ab", "/acb", "/abcd"]],
  ["ab*ba", ["/abba", "/abxba"], ["/aba"]],
  ["*a?", ["/aab", "/xay"], ["/a", "/xa"]],
  ["x]", ["/x]"], ["/x"]],
];

describe("patterns", () => {
  for (const [pattern, hits, misses] of examples) {
    it(pattern, () => {
      for (const path of hits) assert.equal(matches(pattern, path), true, `${path} should match`);
      for (const path of misses) assert.equal(matches(pattern, path), false, `${path} should not match`);
      // The same through the road that keeps the order of negated patterns.
      const ordered = list(pattern, "!/no/such/path/at/all");
      for (const path of hits) assert.equal(ordered.matches(Buffer.from(path)), true, `${path} should match, in order`);
      for (const path of misses)
        assert.equal(ordered.matches(Buffer.from(path)), false, `${path} should not match, in order`);
    });
  }

  it("takes each byte that is not UTF-8 as one character", () => {
    const path = Buffer.from([0x2f, 0xff, 0xfe]);
    assert.equal(list("??").matches(path), true);
    assert.equal(list("?").matches(path), false);
    assert.equal(list("[^a]*").matches(path), true);
  });

  it("lets a later negation take back a match", () => {
    const rules = list("*.log", "!keep.log", "/var/**", "!/var/lib");
    assert.equal(rules.matches(Buffer.from("/a/x.log")), true);
    assert.equal(rules.matches(Buffer.from("/a/keep.log")), false);
    assert.equal(rules.matches(Buffer.from("/var/keep.log")), true);
    assert.equal(rules.matches(Buffer.from("/var/lib/x")), false);
  });

  it("folds case on request, also beyond ASCII", () => {
    const folded = new PatternList(["*.JpÉg"], { ignoreCase: true });
    assert.equal(folded.matches(Buffer.from("/a/B.jPéG")), true);
    assert.equal(list("*.JPG").matches(Buffer.from("/a.jpg")), false);
  });

  it("says when something below a directory may match", () => {
    const below = (pattern: string, path: string): boolean =>
      list(pattern).matchesOrMayBelow(Buffer.from(path)).childMayMatch;
    assert.equal(below("/a/b/c", "/a"), true);
    assert.equal(below("/a/b/c", "/a/b"), true);
    assert.equal(below("/a/b/c", "/a/x"), false);
    assert.equal(below("/a/**/c", "/a/x/y"), true);
    assert.equal(below("/a/**/c", "/b"), false);
    assert.equal(below("c", "/anywhere"), true);
    assert.equal(below("/a", "/a/deep/inside"), true);
    assert.equal(list("/a/*", "!/a/b").matchesOrMayBelow(Buffer.from("/a/b")).childMayMatch, false);
  });

  it("refuses malformed patterns by name", () => {
    for (const pattern of ["[", "a[", "x/[]", "[a-]", "[a", "[^]", "a\\", "**/[z-", "[-a]"]) {
      assert.throws(
        () => list(pattern),
        (error) => hasCode(error, "usage") && error.message.includes(JSON.stringify(pattern)),
      );
    }
  });

  it("matches literally what escapePattern made, and what is below it", () => {
    const names = fc.array(
      fc.stringMatching(/^[a\\[\]*?!-]{1,4}$/).filter((name) => name !== "." && name !== ".."),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(names, (parts) => {
        const path = `/${parts.join("/")}`;
        const rules = list(escapePattern(path));
        assert.equal(rules.matches(Buffer.from(path)), true);
        assert.equal(rules.matches(Buffer.from(`${path}/x`)), true);
        assert.equal(rules.matches(Buffer.from(`${path}x`)), false);
      }),
    );
  });

  it("remembers nothing false from one path to the next", () => {
    const name = fc.constantFrom("a", "b", "c", "ab", "b.x");
    const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => `/${names.join("/")}`);
    const part = fc.constantFrom("a", "b", "*", "**", "?", "*.x", "[ab]", "a*");
    const pattern = fc
      .tuple(fc.constantFrom("", "/", "!", "!/"), fc.array(part, { minLength: 1, maxLength: 4 }))
      .map(([lead, parts]) => lead + parts.join("/"));
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 4 }),
        fc.array(path, { minLength: 1, maxLength: 12 }),
        (patterns, paths) => {
          const walked = list(...patterns);
          for (const each of paths) {
            const expected = slowlyMatches(patterns, each);
            assert.equal(walked.matches(Buffer.from(each)), expected, each);
            assert.equal(walked.matchesOrMayBelow(Buffer.from(each)).matched, expected, each);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** The rules again, by regular expressions over the whole path. */
function slowlyMatches(patterns: readonly string[], path: string): boolean {
  let matched = false;
  for (const source of patterns) {
    const negated = source.startsWith("!");
    const pattern = negated ? source.slice(1) : source;
    const body = pattern
      .replace(/^\//, "")
      .split("/")
      .map((part) =>
        part === "**"
          ? "(?:/[^/]+)*"
          : `/${part.replaceAll(".", "\\.").replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}`,
      )
      .join("");
    const start = pattern.startsWith("/") ? "^" : "^(?:/[^/]+)*";
    if (new RegExp(`${start}${body}(?:/[^/]+)*$`).test(path)) matched = !negated;
  }
  return matched;
}
