/**
 * The parts that the readers of other projects' SAE formats share: they take plain bytes and give a frozen SAE, and
 * ignore no option silently.
 */
import { FileFormatError } from '../errors.ts';
import { type FileTensor, toFloat32 } from '../files/element-type.ts';
import { parseJson, shown } from '../files/json-text.ts';
import { otherFormat } from '../files/other-format.ts';
import { checkFrozenSae, type FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensor } from '../tensor.ts';

/** Formats of checkpoints that are read. */
export type SaeFormat = 'onnx' | 'saelens' | 'gemma-scope' | 'sparsify' | 'openai' | 'dictionary-learning';

/** A checkpoint that was read. */
export interface LoadedSae {
  readonly sae: FrozenSae;
  readonly format: SaeFormat;
  /**
   * What a person should know about how it was read, one sentence each: a scale that was folded or is missing, for
   * example. Often empty.
   */
  readonly notes: readonly string[];
  /** The files it was read from; only `loadSaeFolder` gives them. */
  readonly files?: readonly string[];
}

/** How a checkpoint is read. */
export interface ReadOptions {
  /** The file's path, for messages. */
  readonly file?: string | undefined;
  /**
   * Names of options of the checkpoint's own config that are known to change nothing and may be ignored. Default: none.
   */
  readonly ignoreOptions?: readonly string[];
}

/** A checkpoint's config: parsed JSON. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * Parses a JSON config, as Python writes it.
 * @throws FileFormatError where it is not a JSON object
 */
export function parseConfig(bytes: Uint8Array, file: string | undefined): Config {
  const what = otherFormat(bytes);
  if (what?.startsWith('it is')) throw new FileFormatError(what, { file });
  const config = parseJson(bytes, 'the config', { file });
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new FileFormatError('the config is not a JSON object', { file });
  }
  return config as Config;
}

/** Whether an option is switched off. An infinite bound bounds nothing. */
function isOff(value: unknown): boolean {
  if (typeof value === 'number' && !Number.isFinite(value)) return true;
  return value === undefined || value === null || value === false || value === 'none' || value === '';
}

/**
 * Refuses options that are not understood.
 * @throws FileFormatError naming the options of `config` that are switched on and neither in `known` nor to be ignored
 */
export function refuseUnknownOptions(
  config: Config,
  known: ReadonlySet<string>,
  { file, ignoreOptions = [] }: ReadOptions,
): void {
  const unknown = Object.keys(config).filter(
    name => !known.has(name) && !ignoreOptions.includes(name) && !isOff(config[name]),
  );
  if (unknown.length === 0) return;
  const described = unknown.map(name => `${name} = ${shown(config[name])}`).join(', ');
  const names = unknown.map(name => `'${name}'`).join(', ');
  throw new FileFormatError(
    `unknown option ${described}: it might change the features. If it does not, pass ignoreOptions: [${names}]`,
    { file },
  );
}

/**
 * A positive integer of `config`.
 * @throws FileFormatError naming the option where it is none
 */
export function requireDimension(config: Config, name: string, file: string | undefined): number {
  const value = config[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw new FileFormatError(`${name} must be positive and an integer, got ${shown(value)}`, { file });
}

/**
 * A boolean of `config`; `fallback` where it is absent.
 * @throws FileFormatError naming the option where it is no boolean
 */
export function readFlag(config: Config, name: string, fallback: boolean, file: string | undefined): boolean {
  const value = config[name] ?? fallback;
  if (typeof value === 'boolean') return value;
  throw new FileFormatError(`${name} must be true or false, got ${shown(value)}`, { file });
}

/** Takes tensors out of a checkpoint one by one, so that what is left over can be refused. */
export class CheckpointTensors {
  readonly #left: Map<string, FileTensor>;
  readonly #file: string | undefined;

  constructor(tensors: ReadonlyMap<string, FileTensor>, file: string | undefined) {
    this.#left = new Map(tensors);
    this.#file = file;
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  /**
   * The tensor as float32.
   * @throws FileFormatError where it is missing
   */
  take(name: string): HostTensor {
    const tensor = this.#left.get(name);
    if (tensor === undefined) {
      const there = [...this.#left.keys()].join(', ') || 'none';
      throw new FileFormatError(`no tensor ${name}; there are ${there}`, { file: this.#file });
    }
    this.#left.delete(name);
    return toFloat32(tensor);
  }

  /**
   * Refuses tensors that nobody took.
   * @throws FileFormatError naming them
   */
  refuseRest(): void {
    if (this.#left.size === 0) return;
    throw new FileFormatError(`unknown tensor ${[...this.#left.keys()].join(', ')}`, { file: this.#file });
  }
}

/**
 * Checks a frozen SAE that was read.
 * @throws FileFormatError where its weights or dimensions are wrong
 */
export function checkedSae(sae: FrozenSae, file: string | undefined): FrozenSae {
  try {
    return checkFrozenSae(sae);
  } catch (cause) {
    throw new FileFormatError((cause as Error).message, { file, cause });
  }
}
