// The policy __NAME__: the workers with the smallest share of their slots in use go first.

/** Rows that are named: those after the first are for when it is taken at the same moment. */
const NAMED = 4;

export const ranking = {
  // EDIT: who gets a task. The balancer has left out all workers that must not have it.
  // Columns are typed arrays; numbers of 64 bits (`seed`, `nowMs`, hashes) are BigInts.
  rank(context, candidates) {
    const { slots, used } = candidates;
    const share = (row) => used[row] / slots[row];
    return Array.from(slots, (_, row) => row).sort((a, b) => share(a) - share(b)).slice(0, NAMED);
  },
};

export const setup = {
  // EDIT: `stateful` is true for a policy that remembers something from one call to the next.
  describe: () => ({ name: '__NAME__', version: '0.1.0', stateful: false }),

  // EDIT: read the policy's own configuration, a JSON object. To refuse it, throw a string: the policy is then not used.
  configure(json) {},

  // EDIT: keep what you need of the addresses and tags of workers, and of the names of lanes and functions.
  topology(directory) {},
};
