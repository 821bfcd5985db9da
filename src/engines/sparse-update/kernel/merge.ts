/**
 * From each shard's own selection to the one of them all. Every shard sees the values that every other one selected, and
 * keeps what belongs to the whole's: so all decide alike, and the result does not depend on how latents are divided.
 */
import { batch, mergedCapacity, mergedStarts, mergedValues, ranked, rowStarts } from './layout.ts';
import { nthLargest } from './rank.ts';
import { countAbove, moveKept } from './select.ts';

/** First entry of `row` in shard `shard`'s selection. */
function startOf(shard: i32, row: i32): i32 {
  return load<i32>(mergedStarts + ((<usize>(shard * (batch + 1) + row)) << 2));
}

/** Address of entry `entry` of shard `shard`'s selection. */
function valueAt(shard: i32, entry: i32): usize {
  return mergedValues + ((<usize>(shard * mergedCapacity + entry)) << 2);
}

/** Number of shard `shard`'s values above `least` in rows from..to. */
function countLarger(shard: i32, from: i32, to: i32, least: f32): i32 {
  const first = startOf(shard, from);
  return countAbove(least, valueAt(shard, first), startOf(shard, to) - first);
}

/** Number of shard `shard`'s values at `least` in a row. */
function countEqual(shard: i32, row: i32, least: f32): i32 {
  let count = 0;
  for (let entry = startOf(shard, row), end = startOf(shard, row + 1); entry < end; entry++) {
    if (load<f32>(valueAt(shard, entry)) === least) count++;
  }
  return count;
}

/** Copies the values of rows from..to of all shards to `ranked`; their number. */
function gather(shards: i32, from: i32, to: i32): i32 {
  let count = 0;
  for (let shard = 0; shard < shards; shard++) {
    const first = startOf(shard, from);
    const length = startOf(shard, to) - first;
    memory.copy(ranked + ((<usize>count) << 2), valueAt(shard, first), (<usize>length) << 2);
    count += length;
  }
  return count;
}

/** Keeps this shard's share of each row's `k` largest, all above `floor`. Number of entries left. */
export function mergeTopK(shards: i32, own: i32, k: i32, floor: f32): i32 {
  let kept = 0;
  for (let row = 0; row < batch; row++) {
    const first = startOf(own, row);
    const end = startOf(own, row + 1);
    store<i32>(rowStarts + ((<usize>row) << 2), kept);
    const count = gather(shards, row, row + 1);
    if (count <= k) {
      kept = moveKept(first, end, kept, floor, 0);
      continue;
    }
    const least = nthLargest(ranked, count, k);
    let equalsLeft = k;
    for (let shard = 0; shard < shards; shard++) equalsLeft -= countLarger(shard, row, row + 1, least);
    for (let shard = 0; shard < own; shard++) equalsLeft -= countEqual(shard, row, least);
    kept = moveKept(first, end, kept, least, max(equalsLeft, 0));
  }
  store<i32>(rowStarts + ((<usize>batch) << 2), kept);
  return kept;
}

/** Smallest activation that the batch's `total` largest hold, all shards together; 0 where nothing is active. */
export let smallestSelected: f32 = 0;

/** Keeps this shard's share of the batch's `total` largest. Number of entries left. */
export function mergeBatchTopK(shards: i32, own: i32, total: i32): i32 {
  const count = gather(shards, 0, batch);
  const least = count === 0 ? <f32>0 : nthLargest(ranked, count, min(total, count));
  smallestSelected = least;
  if (count <= total) return startOf(own, batch);
  let equalsLeft = total;
  for (let shard = 0; shard < shards; shard++) equalsLeft -= countLarger(shard, 0, batch, least);
  let kept = 0;
  for (let row = 0; row < batch; row++) {
    store<i32>(rowStarts + ((<usize>row) << 2), kept);
    for (let shard = 0; shard < own; shard++) equalsLeft -= countEqual(shard, row, least);
    kept = moveKept(startOf(own, row), startOf(own, row + 1), kept, least, max(equalsLeft, 0));
    for (let shard = own; shard < shards; shard++) equalsLeft -= countEqual(shard, row, least);
  }
  store<i32>(rowStarts + ((<usize>batch) << 2), kept);
  return kept;
}
