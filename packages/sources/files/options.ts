// What a configuration says of files and folders.
import { z } from "zod";

const path = z
  .string()
  .min(1)
  .refine((text) => text.startsWith("/"), "must be an absolute path")
  .refine((text) => !text.includes("\0"), "must not contain a zero byte")
  .describe("absolute path of a file or a folder");

const long = z.strictObject({
  paths: z.array(path).min(1).describe("files and folders; a folder is taken with all below it"),
  exclude: z.array(z.string().min(1)).default([]).describe("patterns of what is left out, as restic's --exclude"),
});

export type FilesOptions = z.infer<typeof long>;

/** A list of paths, or the long form. */
export const filesOptions: z.ZodType<FilesOptions> = z.union([
  z
    .array(path)
    .min(1)
    .transform((paths) => ({ paths, exclude: [] })),
  long,
]);
