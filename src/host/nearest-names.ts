/** Finds names that a mistyped one may have meant. */

/** The number of characters that `a` and `b` have in common in the same order. */
function commonLength(a: string, b: string): number {
  let previous = new Uint16Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const current = new Uint16Array(b.length + 1);
    for (let j = 1; j <= b.length; j++) {
      current[j] = a[i - 1] === b[j - 1] ? previous[j - 1]! + 1 : Math.max(previous[j]!, current[j - 1]!);
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** How many characters of a name are compared: a hostile file may have names of any length. */
const MOST_CHARACTERS = 200;

/** Up to `count` of `names`: those that share the largest part of their characters with `wanted`, the best first. */
export function nearestNames(wanted: string, names: Iterable<string>, count = 3): string[] {
  const short = (name: string) => name.toLowerCase().slice(0, MOST_CHARACTERS);
  const own = short(wanted);
  const scored = [...names].map(name => {
    const other = short(name);
    return { name, share: (2 * commonLength(own, other)) / (own.length + other.length) };
  });
  return scored
    .sort((a, b) => b.share - a.share)
    .slice(0, count)
    .map(({ name }) => name);
}
