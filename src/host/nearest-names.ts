/** Names that a mistyped one may have meant. */

/** Edits (a character put in, left out or changed) that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(change, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** Up to `count` of `names`, the most like `wanted` first: those that hold it, or are held by it, come before others. */
export function nearestNames(wanted: string, names: Iterable<string>, count = 3): string[] {
  const lower = wanted.toLowerCase();
  const scored = [...names].map(name => {
    const other = name.toLowerCase();
    const isPart = lower.length > 2 && (other.includes(lower) || lower.includes(other));
    const distance = editDistance(lower, other);
    return { name, isPart, distance: isPart ? Math.abs(other.length - lower.length) / 4 : distance };
  });
  return scored
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ name }) => name);
}
