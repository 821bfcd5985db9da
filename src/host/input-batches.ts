/** The data that a host model is run over, in batches: arrays, or any other source of batches, such as text. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { TensorDescription } from '../onnx/inspect.ts';
import { sameShape } from '../tensor.ts';
import {
  type HostInput,
  type HostInputs,
  isMaskName,
  isTokenInput,
  mainInput,
  mainMask,
  sliceInputs,
} from './feeds.ts';

/** One batch of samples. */
export interface InputBatch {
  /** The model's inputs by name. */
  readonly inputs: HostInputs;
  /** The index of each sample among all of them. */
  readonly samples: ArrayLike<number>;
  /** Token ids [batch, seq], where the model reads tokens. */
  readonly tokens?: Int32Array;
  /** [batch, seq]: 0 where a position is padding. Without it every position counts. */
  readonly mask?: Uint8Array;
  /** The class of each sample or position, where it is known. */
  readonly labels?: Int32Array;
  /** The `from` with which the data go on after this batch. Without it one cannot stop here and go on later. */
  readonly resumeFrom?: number;
}

/** Which batches are wanted. */
export interface BatchRequest {
  /** Samples run at once. */
  readonly batchSize: number;
  /** The first sample that is wanted: 0, or a batch's `resumeFrom`. Default 0. */
  readonly from?: number;
}

/** Data in batches; the same ones each time they are asked for. */
export interface HostData {
  /** The number of samples; `undefined` where only reading all of them would tell. */
  readonly samples: number | undefined;
  /** A text that distinguishes these data from others, for runs that are resumed. */
  readonly identity: string;
  batches(request: BatchRequest): AsyncIterable<InputBatch> | Iterable<InputBatch>;
}

/** An array that is read from a file when it is needed. */
export interface StoredInput {
  readonly shape: readonly number[];
  /** Samples `start` up to, not including, `end`, along axis 0. */
  read(start: number, end: number): Promise<HostInput['data']>;
}

/** Arrays by input name, in memory or stored. */
export type ArrayInputs = Readonly<Record<string, HostInput | StoredInput>>;

/** What belongs to the arrays of a host's inputs: which positions are padding, and classes. */
export interface ArrayDataOptions {
  /**
   * [samples, seq] (or [samples] for models without positions): 0 where a position is padding. Default: the model's
   * mask input, where it is given.
   */
  readonly mask?: HostInput | StoredInput | undefined;
  /** Classes, [samples] or [samples, steps]. */
  readonly labels?: HostInput | StoredInput | undefined;
}

/** Tokens as 32-bit integers. */
function toIntegers({ data }: HostInput): Int32Array {
  return Int32Array.from(data as ArrayLike<number>, Number);
}

/**
 * Data from arrays whose axis 0 counts the samples.
 * @throws InvalidValueError where no inputs are given
 * @throws InvalidShapeError where their numbers of samples differ, or the mask has another shape than the tokens
 */
export function arrayData(
  modelInputs: readonly TensorDescription[],
  inputs: ArrayInputs,
  { mask, labels }: ArrayDataOptions = {},
): HostData {
  const names = Object.keys(inputs);
  if (names.length === 0) throw new InvalidValueError('no inputs were given');
  const lead = modelInputs.some(({ name }) => inputs[name] && !isMaskName(name))
    ? mainInput(modelInputs.filter(({ name }) => inputs[name])).name
    : names[0]!;
  const leading = inputs[lead]!;
  const samples = leading.shape[0] ?? 0;
  const described = modelInputs.find(({ name }) => name === lead);
  const isText = described !== undefined && isTokenInput(described);

  const maskInput = mainMask(modelInputs);
  const given = mask ?? (maskInput === undefined ? undefined : inputs[maskInput]);
  const fed: ArrayInputs =
    mask && maskInput !== undefined && !inputs[maskInput] ? { ...inputs, [maskInput]: mask } : inputs;
  for (const [name, { shape }] of Object.entries({
    ...fed,
    ...(labels && { labels }),
    ...(given && { mask: given }),
  })) {
    if (shape[0] !== samples) {
      throw new InvalidShapeError(
        `${name} is [${shape.join(', ')}], ${lead} [${leading.shape.join(', ')}]: another number of samples`,
      );
    }
  }
  if (given && isText && !sameShape(given.shape, leading.shape)) {
    throw new InvalidShapeError(
      `the mask is [${given.shape.join(', ')}]; ${lead} is [${leading.shape.join(', ')}]: expected the same shape`,
    );
  }
  const isTrimmable =
    isText && given !== undefined && maskInput !== undefined && typeof described!.shape?.[1] !== 'number';

  return {
    samples,
    identity: names.map(name => `${name} [${inputs[name]!.shape.join(', ')}]`).join('; '),
    async *batches({ batchSize, from = 0 }) {
      for (let start = from; start < samples; start += batchSize) {
        const end = Math.min(samples, start + batchSize);
        const all = { ...fed, ...(given && { '/mask': given }), ...(labels && { '/labels': labels }) };
        let part = await readSamples(all, start, end);
        if (isTrimmable) part = trimmed(part, leading.shape);
        const { '/mask': maskPart, '/labels': labelPart, ...own } = part;
        yield {
          inputs: own,
          samples: Array.from({ length: end - start }, (_, i) => start + i),
          resumeFrom: end,
          ...(isText && { tokens: toIntegers(own[lead]!) }),
          ...(maskPart && {
            mask: Uint8Array.from(maskPart.data as ArrayLike<number>, value => (Number(value) === 0 ? 0 : 1)),
          }),
          ...(labelPart && { labels: toIntegers(labelPart) }),
        };
      }
    },
  };
}

/** Samples `start` to `end` of every array. */
async function readSamples(inputs: ArrayInputs, start: number, end: number): Promise<HostInputs> {
  const parts: Record<string, HostInput> = {};
  for (const [name, input] of Object.entries(inputs)) {
    const stored = 'read' in input ? await input.read(start, end) : undefined;
    parts[name] = stored
      ? { data: stored, shape: [end - start, ...input.shape.slice(1)] }
      : sliceInputs({ [name]: input as HostInput }, start, end)[name]!;
  }
  return parts;
}

/**
 * Leaves out the columns at the end that are padding in every row: shorter sequences run faster with the same results.
 */
function trimmed(part: HostInputs, whole: readonly number[]): HostInputs {
  const { data, shape } = part['/mask']!;
  const [rows = 0, columns = 0] = shape;
  let used = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = columns - 1; column >= used; column--) {
      if (Number(data[row * columns + column]) !== 0) used = column + 1;
    }
  }
  if (used === columns || used === 0) return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, input]) => {
      if (input.shape.length !== 2 || input.shape[1] !== whole[1]) return [name, input];
      const values = Array.from(
        { length: rows * used },
        (_, i) => input.data[Math.floor(i / used) * columns + (i % used)]!,
      );
      return [name, { data: values as HostInput['data'], shape: [rows, used] }];
    }),
  );
}
