// The face of the sources: what can be captured, and what each kind can be asked to do.
export type { SourceKindName } from "./all.ts";
export { sourceKinds } from "./all.ts";
export * from "./source.ts";
