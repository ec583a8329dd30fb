// Strings and names as Go writes them in JSON.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../errors.ts";
import { decodeBase64, goJsonBytes, goJsonString, goJsonValue, goQuote, goUnquote, quoteName } from "./go-json.ts";
import { isGoPrintable } from "./go-printable.ts";

const isDamaged = (error: unknown): boolean => hasCode(error, "damaged");

describe("JSON strings", () => {
  test("are escaped as Go does", () => {
    assert.equal(goJsonString('<a href="x">&\\/\''), '"\\u003ca href=\\"x\\"\\u003e\\u0026\\\\/\'"');
    assert.equal(goJsonString("\b\f\n\r\t\u0000\u000b\u001f\u007f"), '"\\b\\f\\n\\r\\t\\u0000\\u000b\\u001f\u007f"');
    assert.equal(goJsonString("\u2028\u2029é👍"), '"\\u2028\\u2029é👍"');
    assert.equal(goJsonString("a\ud800b"), '"a\\ufffdb"');
  });

  test("hold one escape for each byte that is no UTF-8", () => {
    assert.equal(goJsonBytes(Buffer.from([0x41, 0xff, 0xe2, 0x82, 0x42])), '"A\\ufffd\\ufffd\\ufffdB"');
    assert.equal(goJsonBytes(Buffer.from([0xed, 0xa0, 0x80])), '"\\ufffd\\ufffd\\ufffd"');
    assert.equal(goJsonBytes(Buffer.from([0xff, 0xf0, 0x9f, 0x91, 0x8d])), '"\\ufffd👍"');
    assert.equal(goJsonBytes(Buffer.from("\ufffd")), '"\ufffd"');
  });

  test("are what JSON.parse gives back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        assert.equal(JSON.parse(goJsonString(text)), text);
      }),
    );
  });

  test("values keep the order of their fields and leave out undefined ones", () => {
    assert.equal(
      goJsonValue({ b: 1, a: undefined, c: [true, null, "<"], d: { e: 2n ** 64n } }),
      '{"b":1,"c":[true,null,"\\u003c"],"d":{"e":18446744073709551616}}',
    );
  });
});

describe("quoted names", () => {
  test("are written as Go's strconv.Quote does", () => {
    assert.equal(
      goQuote(Buffer.from("\u0007\b\t\n\v\f\r\"\\\u0000\u001f\u007f'")),
      "\\a\\b\\t\\n\\v\\f\\r\\\"\\\\\\x00\\x1f\\x7f'",
    );
    assert.equal(
      goQuote(Buffer.from("é👍\u00a0\u00ad\u2028\ufeff\ufffd\u{e0001}\u{1fae9}")),
      "é👍\\u00a0\\u00ad\\u2028\\ufeff\ufffd\\U000e0001\\U0001fae9",
    );
    assert.equal(
      goQuote(Buffer.from([0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2, 0x82])),
      "\\xff\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xe2\\x82",
    );
    assert.equal(quoteName(Buffer.from("plain name")), '"plain name"');
    assert.equal(quoteName(Buffer.from('<"\n\u00ad>')), '"\\u003c\\\\\\"\\\\n\\\\u00ad\\u003e"');
  });

  test("give back any bytes", () => {
    const halfText = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 4 }),
        fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
      ),
    );
    fc.assert(
      fc.property(halfText, (parts) => {
        const name = Buffer.concat(parts);
        assert.deepEqual(goUnquote(goQuote(name)), name);
        assert.deepEqual(goUnquote(JSON.parse(quoteName(name)) as string), name);
      }),
      { numRuns: 500 },
    );
  });

  test("are read in the forms that Go reads", () => {
    assert.deepEqual(goUnquote("\\101\\x41\\u0041\\U00000041"), Buffer.from("AAAA"));
    assert.deepEqual(goUnquote("\\377\\xfF"), Buffer.of(255, 255));
    for (const text of [
      'a"b',
      "a\nb",
      "\\",
      "\\'",
      "\\x4",
      "\\u12",
      "\\ud800",
      "\\U00110000",
      "\\400",
      "\\8",
      "\\q",
      "a\\",
    ]) {
      assert.throws(() => goUnquote(text), isDamaged, text);
    }
  });

  test("printable is what Go 1.26 prints, not what this Node's Unicode has", () => {
    for (const codePoint of [
      0x20, 0x7e, 0xa1, 0xae, 0x377, 0x20ac, 0xfffd, 0x1f600, 0x1fae8, 0x2a6df, 0xe0100, 0xe01ef,
    ]) {
      assert.ok(isGoPrintable(codePoint), codePoint.toString(16));
    }
    for (const codePoint of [
      0x1f, 0x7f, 0x80, 0xa0, 0xad, 0x378, 0x200b, 0x2028, 0x3000, 0xe000, 0xfeff, 0xfffe, 0x1fae9, 0x1c89, 0xe0001,
      0x10fffd,
    ]) {
      assert.equal(isGoPrintable(codePoint), false, codePoint.toString(16));
    }
  });
});

test("base64 is strict", () => {
  assert.deepEqual(decodeBase64("AP8K"), Buffer.of(0, 255, 10));
  assert.deepEqual(decodeBase64(""), Buffer.alloc(0));
  for (const text of ["AP8", "AP8K=", "A P8", "AP-_", "AB==", "!"]) {
    assert.throws(() => decodeBase64(text), isDamaged, text);
  }
});
