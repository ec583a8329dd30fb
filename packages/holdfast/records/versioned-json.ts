// JSON documents that carry a version: a higher minor one is read as far as it is known, a higher major one refused.
import { HoldfastError, requireShallowJson } from "@holdfast/repository";
import { z } from "zod";

const versionSchema = z.looseObject({ version: z.string().regex(/^\d{1,6}\.\d{1,6}$/) });

/** Throws `damaged` for what is no such document, `unsupported` for a higher major version. `name` is for messages. */
export function parseVersioned<Content>(
  bytes: Buffer,
  name: string,
  schema: z.ZodType<Content>,
  knownMajor: number,
): Content {
  const damaged = (reason: string): HoldfastError =>
    new HoldfastError("damaged", `${name} is malformed: ${reason}`, { context: { name } });
  requireShallowJson(bytes, name);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged("it is no JSON");
  }
  const version = versionSchema.safeParse(value);
  if (!version.success) throw damaged("it names no version");
  const [major] = version.data.version.split(".");
  if (Number(major) > knownMajor) {
    throw new HoldfastError(
      "unsupported",
      `${name} has version ${version.data.version}, which this program does not know`,
      {
        hint: "use a newer version of Holdfast; the files of the snapshot can be restored without it",
        context: { name, version: version.data.version },
      },
    );
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw damaged(`${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
  }
  return parsed.data;
}
