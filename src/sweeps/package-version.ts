/** The version of this package, which the runs of a sweep must share. */
import { readFileSync } from 'node:fs';

/** The version in package.json. */
export function packageVersion(): string {
  // Two folders up in the sources and in the build alike.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
