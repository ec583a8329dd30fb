// Writing through a system that takes less than it is offered; what needs real file systems is in test/.
import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { writeFully } from "./local.ts";

it("writes every byte once and in order, however little is taken at a time", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 30 }), async (offered, takenBytes) => {
      const written: Uint8Array[] = [];
      await writeFully(
        {
          writev: async <T extends readonly NodeJS.ArrayBufferView[]>(buffers: T) => {
            const all = Buffer.concat(buffers as unknown as Uint8Array[]);
            written.push(all.subarray(0, takenBytes));
            return { bytesWritten: Math.min(takenBytes, all.byteLength), buffers };
          },
        },
        offered,
      );
      assert.deepEqual(Buffer.concat(written), Buffer.concat(offered));
    }),
  );
});
