// What a person can do about the findings of a check: commands, in their order.

import type { Remedies } from "@holdfast/repository";

/** Empty where no repair helps. */
export function remedyLines(remedies: Remedies): string[] {
  const { config, keys, locks, index, packs, unreadableSnapshots, snapshots } = remedies;
  const verb = "  holdfast repo";
  const steps = [
    ...(config ? [`${verb} repair config`] : []),
    ...keys.flatMap((id) => [`${verb} key remove ${id.slice(0, 12)}`, `${verb} key add`]),
    ...(locks ? [`${verb} unlock --remove-all    # when you know that nothing else is running`] : []),
    ...(index ? [`${verb} repair index`] : []),
    ...(packs.length > 0 ? [`${verb} repair packs ${packs.join(" ")}`] : []),
  ];
  // What snapshots miss now, the index may only not know yet.
  if (index || packs.length > 0) steps.push(`${verb} check    # tells what is missing still, and what to do about it`);
  else if (snapshots || unreadableSnapshots.length > 0) {
    steps.push(
      "  back up the same files once more: what they still hold becomes whole again",
      `${verb} recover    # gathers what no snapshot reaches any more`,
    );
    for (const id of unreadableSnapshots)
      steps.push(`${verb} repair snapshots --forget ${id.slice(0, 12)}    # removes its file`);
    if (snapshots) steps.push(`${verb} repair snapshots --forget    # takes what is lost out of the snapshots`);
  }
  if (steps.length === 0) return [];
  return ["A copy of the repository, or of its damaged files, helps most. Without one, in this order:", ...steps];
}
