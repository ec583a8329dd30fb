// The file `config`: the version of a repository, its id, and the polynomial that cuts its files.
//
// Source: restic's design document, "Repository Format". Sealed, never compressed; its name is fixed.

import { HoldfastError } from "../errors.ts";
import type { Sealer } from "../codec/seal.ts";
import { goJsonValue } from "./go-json.ts";
import { JsonDocument } from "./json-document.ts";

export type RepositoryVersion = 1 | 2;

export interface RepositoryConfig {
  readonly version: RepositoryVersion;
  readonly id: string;
  /** Degree 53; whoever opens a repository checks that it is irreducible. */
  readonly chunkerPolynomial: bigint;
}

const polynomialPattern = /^[0-9a-f]{1,16}$/;

/** The bytes of the file `config`. Read them back with `decodeConfig` after storing them. */
export function encodeConfig(config: RepositoryConfig, sealer: Sealer): Buffer {
  const { version, id, chunkerPolynomial } = config;
  const json = goJsonValue({ version, id, chunker_polynomial: chunkerPolynomial.toString(16) });
  return sealer.seal(Buffer.from(json));
}

/** Throws `damaged`, and `unsupported` for a version other than 1 and 2. */
export function decodeConfig(bytes: Uint8Array, sealer: Sealer): RepositoryConfig {
  const document = JsonDocument.parse(sealer.open(bytes), "config");
  const version = document.integer("version");
  if (version !== 1 && version !== 2) {
    throw new HoldfastError("unsupported", `the repository has version ${version}; versions 1 and 2 are supported`, {
      context: { version },
    });
  }
  const polynomial = document.string("chunker_polynomial");
  if (!polynomialPattern.test(polynomial)) {
    throw new HoldfastError("damaged", "the config has a chunker polynomial that is no number");
  }
  return { version, id: document.id("id"), chunkerPolynomial: BigInt(`0x${polynomial}`) };
}
