import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ranking } from './policy.js';

const context = { lane: 1, function: 1, priority: 0, attempt: 1, mode: 'sync', seed: 1n, nowMs: 1_750_000_000_000n, tried: 0 };

/** Workers with that many slots, and that many of them in use. */
const candidates = (...workers) => ({
  slots: Uint32Array.from(workers, ([slots]) => slots),
  used: Uint32Array.from(workers, ([, used]) => used),
});

test('the least used worker goes first', () => {
  assert.deepEqual([...ranking.rank(context, candidates([2, 1], [8, 2], [4, 3]))], [1, 0, 2]);
});

test('four rows are enough', () => {
  assert.equal(ranking.rank(context, candidates(...Array(10).fill([8, 0]))).length, 4);
});
