/**
 * The help of `train toy` and `train sae`. Their options come from the architectures, which need optional packages. The build keeps the
 * help as text, so that a person reads what there is before installing anything.
 */
import { existsSync, readFileSync } from 'node:fs';

/**
 * The help of `train toy` or `train sae` as the build has kept it, beside the built form of this file.
 * @returns `undefined` unless `args` ask for help, and in sources that are not built
 */
export function keptTrainingHelp(what: string, args: readonly string[]): string | undefined {
  const file = new URL(`./training-help/${what}.txt`, import.meta.url);
  const asked = args.includes('--help') || args.includes('-h');
  return asked && existsSync(file) ? readFileSync(file, 'utf8').trimEnd() : undefined;
}
