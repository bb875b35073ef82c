// Workers of the own zone first, the others when those are busy; see README.md.

/** Rows that are named: those after the first are for when it is taken at the same moment. */
const NAMED = 4;
/** What is added to the load of a worker elsewhere: more than any load. */
const ELSEWHERE = 2;

let config = read('{}');
/** Ids of the workers of the zone. */
let near = new Set();

export const setup = {
  describe: () => ({ name: 'zone-first', version: '1.0.0', stateful: false }),

  configure(json) {
    config = read(json);
  },

  topology({ workers }) {
    const isNear = ({ tags }) => tags.some(([name, value]) => name === config.tag && value === config.zone);
    near = new Set(workers.filter(isNear).map((worker) => worker.id));
  },
};

export const ranking = {
  rank(context, { worker, slots, used, weight }) {
    const rows = [];
    const costs = [];
    // One pass that keeps the best few: sorting hundreds of rows takes an interpreter long.
    for (let row = 0; row < worker.length; row++) {
      const load = used[row] / slots[row];
      const isPreferred = load < config.spill && near.has(worker[row]);
      // With this task, as a share of what the worker is meant to have; between 0 and 1, whatever the weight.
      const share = (used[row] + 1) / (slots[row] * positive(weight[row]));
      const cost = share / (1 + share) + (isPreferred ? 0 : ELSEWHERE);
      if (rows.length === NAMED && !(cost < costs[NAMED - 1])) continue;
      let place = Math.min(rows.length, NAMED - 1);
      for (; place > 0 && cost < costs[place - 1]; place--) {
        costs[place] = costs[place - 1];
        rows[place] = rows[place - 1];
      }
      costs[place] = cost;
      rows[place] = row;
    }
    return rows;
  },
};

/** The configuration in a text. What is wrong with it is thrown as a sentence. */
function read(json) {
  const { zone = '', tag = 'zone', spill = 1, ...unknown } = JSON.parse(json);
  if (typeof zone !== 'string') throw 'zone has to be a text';
  if (typeof tag !== 'string' || tag === '') throw 'tag has to be the name of a tag';
  if (typeof spill !== 'number' || !(spill > 0 && spill <= 1)) throw 'spill has to be a number above 0, up to 1';
  const names = Object.keys(unknown);
  if (names.length > 0) throw `there is no setting ${names.join(', ')}; there are zone, tag and spill`;
  return { zone, tag, spill };
}

function positive(weight) {
  return weight > 0 && weight < Infinity ? weight : 1;
}
