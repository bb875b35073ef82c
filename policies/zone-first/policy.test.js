import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { ranking, setup } from './policy.js';

/** A worker: its zone, its slots, how many of them are used, its weight. */
const at = (zone, slots, used, weight = 1) => ({ zone, slots, used, weight });

/** Tells the policy of these workers, with ids from 10 on, and has it rank them all. */
function rank(...workers) {
  const tags = ({ zone }) => (zone === undefined ? [] : [['gpu', ''], ['zone', zone]]);
  setup.topology({
    workers: workers.map((worker, i) => ({ id: 10 + i, url: `http://${i}`, tags: tags(worker) })),
    lanes: [],
    functions: [],
  });
  return [...ranking.rank({ seed: 1n }, candidates(workers))];
}

const candidates = (workers) => ({
  worker: Uint32Array.from(workers, (_, i) => 10 + i),
  slots: Uint32Array.from(workers, ({ slots }) => slots),
  used: Uint32Array.from(workers, ({ used }) => used),
  weight: Float32Array.from(workers, ({ weight }) => weight),
});

beforeEach(() => setup.configure('{"zone":"eu-1"}'));

test('workers of the zone go first, however busy', () => {
  assert.deepEqual(rank(at('us-1', 8, 0), at('eu-1', 8, 7), at(undefined, 8, 0)), [1, 0, 2]);
});

test('load decides within the zone, and among the others', () => {
  assert.deepEqual(rank(at('us-1', 4, 3), at('eu-1', 4, 2), at('us-1', 4, 1), at('eu-1', 4, 1)), [3, 1, 2, 0]);
});

test('a worker of the zone that is busy beyond the bound is one of the others', () => {
  setup.configure('{"zone":"eu-1","spill":0.5}');
  assert.deepEqual(rank(at('us-1', 4, 0), at('eu-1', 4, 2), at('us-1', 4, 3)), [0, 1, 2]);
  assert.deepEqual(rank(at('us-1', 4, 0), at('eu-1', 4, 1), at('us-1', 4, 3)), [1, 0, 2]);
});

test('a worker of twice the weight gets twice as much', () => {
  assert.deepEqual(rank(at('eu-1', 4, 1), at('eu-1', 4, 2, 2)), [1, 0]);
  assert.deepEqual(rank(at('eu-1', 4, 1), at('us-1', 4, 0, 1e30)), [0, 1]);
  assert.deepEqual(rank(at('eu-1', 4, 1, NaN), at('eu-1', 4, 0, -1)), [1, 0]);
});

test('no zone is no preference', () => {
  setup.configure('{}');
  assert.deepEqual(rank(at('eu-1', 4, 3), at('us-1', 4, 1), at(undefined, 4, 2)), [1, 2, 0]);
});

test('a worker that only has appeared is in no zone yet', () => {
  rank(at('eu-1', 4, 3));
  assert.deepEqual([...ranking.rank({ seed: 1n }, candidates([at('eu-1', 4, 3), at('eu-1', 4, 0)]))], [0, 1]);
});

test('another tag may name the zone', () => {
  setup.configure('{"zone":"","tag":"gpu"}');
  assert.deepEqual(rank(at(undefined, 4, 0), at('us-1', 4, 3)), [1, 0]);
});

test('the best four of many are named, in order', () => {
  const many = Array.from({ length: 1000 }, (_, i) => at(i % 2 ? 'eu-1' : 'us-1', 1000, (i * 7) % 1000));
  const best = many.map((worker, row) => ({ ...worker, row })).filter(({ zone }) => zone === 'eu-1');
  best.sort((a, b) => a.used - b.used);
  assert.deepEqual(rank(...many), best.slice(0, 4).map(({ row }) => row));
});

test('what is wrong with a configuration is said', () => {
  const refused = (json, why) => assert.throws(() => setup.configure(json), (error) => why.test(String(error)));
  refused('{"zones":"eu-1"}', /no setting zones/);
  refused('{"zone":1}', /zone has to be a text/);
  refused('{"zone":"eu-1","spill":0}', /spill has to be/);
  refused('{"zone":"eu-1","spill":1.5}', /spill has to be/);
  refused('{"tag":""}', /tag has to be/);
});
