/** A stable sort of numbered things by a small whole number that each of them has. */

/**
 * Counting sort of 0..count by `keys` (int32 [count], below `groups`): `sorted` [count] has the numbers, those of one key in their order, and
 * `starts` [groups + 1] where each key's begin.
 */
export function sortByKey(count: i32, keys: usize, groups: i32, starts: usize, sorted: usize): void {
  memory.fill(starts, 0, (<usize>(groups + 1)) << 2);
  for (let index = 0; index < count; index++) {
    const counter = starts + ((<usize>load<i32>(keys + ((<usize>index) << 2)) + 1) << 2);
    store<i32>(counter, load<i32>(counter) + 1);
  }
  for (let group = 0; group < groups; group++) {
    const start = starts + ((<usize>group) << 2);
    store<i32>(start, load<i32>(start) + load<i32>(start, 4), 4);
  }
  for (let index = 0; index < count; index++) {
    const start = starts + ((<usize>load<i32>(keys + ((<usize>index) << 2))) << 2);
    const place = load<i32>(start);
    store<i32>(sorted + ((<usize>place) << 2), index);
    store<i32>(start, place + 1);
  }
  // Each start has moved to its group's end: move them one place on.
  memory.copy(starts + 4, starts, (<usize>groups) << 2);
  store<i32>(starts, 0);
}
