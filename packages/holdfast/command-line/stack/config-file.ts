// Which configuration file a verb works with, and what belongs to reading it.

import { sourceKinds } from "@holdfast/sources";
import { findConfigurationFile } from "../../configuration/find-file.ts";
import type { LoadRequest } from "../../configuration/load-configuration.ts";
import { defaultStateDirectory } from "../../state/default-state-directory.ts";

/** `named` is the file of `-c`. Throws `usage` where there is no file. */
export function configurationRequest(named: string | undefined, environment: NodeJS.ProcessEnv): LoadRequest {
  const uid = process.getuid?.() ?? 0;
  return {
    file: findConfigurationFile({ named, directory: process.cwd(), environment, uid }),
    kinds: sourceKinds,
    environment,
    stateDirectory: defaultStateDirectory(environment, uid),
  };
}
