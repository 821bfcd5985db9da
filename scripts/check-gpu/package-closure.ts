/** Which installed packages a set of packages needs, found as Node finds them. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * The folders of `names` and of everything they depend on. Optional dependencies that are not installed are passed over.
 *
 * @throws Error where a package is not installed.
 */
export function packageClosure(root: string, names: readonly string[]): string[] {
  const folders = new Set<string>();
  const add = (name: string, from: string, isOptional: boolean): void => {
    const folder = findPackage(name, from);
    if (folder === undefined) {
      if (isOptional) return;
      throw new Error(`${name}, which ${from} needs, is not installed`);
    }
    if (folders.has(folder)) return;
    folders.add(folder);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    ) as Manifest;
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) {
      add(needed, folder, needed in optionalDependencies);
    }
  };
  for (const name of names) add(name, root, false);
  return [...folders].sort();
}

/** The nearest node_modules/NAME above `from`. */
function findPackage(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}
