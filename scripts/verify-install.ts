// Checks that node_modules holds exactly the packages that package-lock.json names; says what differs, exits 1.
import { readFileSync } from "node:fs";
import path from "node:path";

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
}

const root = path.resolve(import.meta.dirname, "..");

function packagesOf(lockFile: string): Map<string, LockedPackage> {
  const lock = JSON.parse(readFileSync(path.join(root, lockFile), "utf8")) as {
    packages: Record<string, LockedPackage>;
  };
  const entries = Object.entries(lock.packages).filter(([place]) => place.startsWith("node_modules/"));
  return new Map(entries);
}

const wanted = packagesOf("package-lock.json");
const installed = packagesOf("node_modules/.package-lock.json");
const differences: string[] = [];
for (const [place, locked] of wanted) {
  const present = installed.get(place);
  if (present === undefined) {
    // Optional packages are mostly the binaries of other platforms.
    if (locked.optional !== true) differences.push(`${place} is missing`);
  } else if (present.version !== locked.version || present.integrity !== locked.integrity) {
    differences.push(`${place} is ${present.version ?? "unknown"}, not ${locked.version ?? "unknown"}`);
  }
}
for (const place of installed.keys()) {
  if (!wanted.has(place)) differences.push(`${place} is not in package-lock.json`);
}
if (differences.length > 0) {
  process.stderr.write(differences.map((difference) => `  ${difference}\n`).join(""));
  process.exitCode = 1;
}
