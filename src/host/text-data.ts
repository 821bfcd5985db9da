/**
 * Text as data for a host: lines of a file are turned into tokens by a tokenizer.json, cut into sequences, and batched
 * with others of similar length. Nothing is fetched: `@huggingface/tokenizers` reads local files. Node only.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { FileFormatError, InvalidValueError, MissingPackageError } from '../errors.ts';
import type { TensorDescription } from '../onnx/inspect.ts';
import { isTokenInput, mainInput, mainMask } from './feeds.ts';
import type { HostData, InputBatch } from './input-batches.ts';

/** Which texts are read, by which tokenizer, in pieces of which length. */
export interface TextOptions {
  /** A text file: JSON lines, each a string or an object with the text; or any other text file, a text on each line. */
  readonly file: string;
  /** A tokenizer.json; a tokenizer_config.json beside it is read too. */
  readonly tokenizer: string;
  /** The key of the text in JSON lines. Default `text`. */
  readonly field?: string | undefined;
  /** The most tokens of one sequence, at least 1; longer texts become several sequences. Default 128. */
  readonly contextSize?: number | undefined;
  /** Whether the special tokens that the tokenizer adds are kept. Default true. */
  readonly addSpecialTokens?: boolean | undefined;
}

/** Texts as token ids, in batches of similar length. */
export interface TextData extends HostData {
  /** Ids of the tokenizer's special tokens. */
  readonly specialTokens: ReadonlySet<number>;
  /** A token as text. */
  decode(token: number): string;
}

/** How many batches of sequences are sorted by length together. */
const BATCHES_SORTED = 32;

interface OpenTokenizer {
  encode(text: string): number[];
  decode(token: number): string;
  readonly special: ReadonlySet<number>;
  readonly hash: string;
}

async function readJson(path: string): Promise<{ readonly text: string; readonly value: Record<string, unknown> }> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new FileFormatError(cause.code === 'ENOENT' ? 'there is no such file' : cause.message, { file: path, cause });
  });
  try {
    return { text, value: JSON.parse(text) as Record<string, unknown> };
  } catch (cause) {
    throw new FileFormatError(`is no JSON: ${(cause as Error).message}; expected a tokenizer.json`, {
      file: path,
      cause,
    });
  }
}

async function openTokenizer(path: string, addSpecialTokens: boolean): Promise<OpenTokenizer> {
  const { text, value } = await readJson(path);
  const config = await readJson(join(dirname(path), 'tokenizer_config.json')).catch(() => ({ value: {} }));
  const { Tokenizer } = await import('@huggingface/tokenizers').catch((cause: Error) => {
    throw new MissingPackageError(
      'text needs the package @huggingface/tokenizers: npm install @huggingface/tokenizers',
      { cause },
    );
  });
  let tokenizer: InstanceType<typeof Tokenizer>;
  try {
    tokenizer = new Tokenizer(value, config.value);
  } catch (cause) {
    throw new FileFormatError(`cannot be read as a tokenizer: ${(cause as Error).message}`, { file: path, cause });
  }
  const added = Array.isArray(value['added_tokens'])
    ? (value['added_tokens'] as { id: number; special?: boolean }[])
    : [];
  return {
    encode: line => tokenizer.encode(line, { add_special_tokens: addSpecialTokens }).ids,
    decode: token => tokenizer.decode([token], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    special: new Set(added.filter(({ special }) => special === true).map(({ id }) => id)),
    hash: createHash('sha256').update(text).digest('hex').slice(0, 16),
  };
}

/** The text of a line. */
function textOf(line: string, number: number, isJson: boolean, { file, field = 'text' }: TextOptions): string {
  if (!isJson) return line;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new FileFormatError(`line ${number} is no JSON: ${(cause as Error).message}`, { file, cause });
  }
  const text = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : value;
  if (typeof text !== 'string') {
    throw new FileFormatError(
      `line ${number} has no text under ${JSON.stringify(field)}; name the key (--text-field)`,
      { file },
    );
  }
  return text;
}

/**
 * Opens a text file as data for a model that reads tokens.
 * @param modelInputs the host's inputs
 * @throws InvalidValueError for a model that reads no tokens
 * @throws FileFormatError for a file that is missing, damaged or of another kind
 * @throws MissingPackageError without @huggingface/tokenizers
 */
export async function textData(modelInputs: readonly TensorDescription[], options: TextOptions): Promise<TextData> {
  const { file, contextSize = 128, addSpecialTokens = true } = options;
  if (!Number.isInteger(contextSize) || contextSize < 1) {
    throw new InvalidValueError(`contextSize ${contextSize}: expected a positive integer`);
  }
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new FileFormatError(cause.code === 'ENOENT' ? 'there is no such file' : cause.message, { file, cause });
  });
  const tokenizer = await openTokenizer(options.tokenizer, addSpecialTokens);
  const reader = mainInput(modelInputs);
  if (!isTokenInput(reader)) {
    const shape = reader.shape ? ` [${reader.shape.join(', ')}]` : '';
    throw new InvalidValueError(
      `the model reads ${reader.name}, ${reader.type}${shape}: text can be fed to a model of token ids [batch, seq] alone`,
    );
  }
  const tokenInput = reader.name;
  const maskInput = mainMask(modelInputs);
  const fixedLength = modelInputs.find(({ name }) => name === tokenInput)?.shape?.[1];
  const isJson = /\.(jsonl|ndjson|json)$/i.test(file);

  async function* sequences(): AsyncGenerator<number[]> {
    const input = createReadStream(file);
    try {
      let number = 0;
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        number++;
        if (line.trim() === '') continue;
        const ids = tokenizer.encode(textOf(line, number, isJson, options));
        for (let start = 0; start < ids.length; start += contextSize) yield ids.slice(start, start + contextSize);
      }
    } finally {
      input.destroy();
    }
  }

  /** One batch of sequences, padded on the right where the model has a mask; without a mask they have one length. */
  const batchOf = (rows: readonly { readonly ids: number[]; readonly index: number }[]): InputBatch => {
    const length = typeof fixedLength === 'number' ? fixedLength : Math.max(...rows.map(({ ids }) => ids.length));
    const tokens = new Int32Array(rows.length * length);
    const mask = new Uint8Array(rows.length * length);
    rows.forEach(({ ids }, row) => {
      tokens.set(ids.slice(0, length), row * length);
      mask.fill(1, row * length, row * length + Math.min(ids.length, length));
    });
    const shape = [rows.length, length];
    return {
      inputs: {
        [tokenInput]: { data: tokens, shape },
        ...(maskInput !== undefined && { [maskInput]: { data: mask, shape } }),
      },
      samples: rows.map(({ index }) => index),
      tokens,
      mask,
    };
  };

  /**
   * The batches of a window of sequences: sorted by length, and cut where they are full or, without a mask, where the
   * length changes.
   */
  function* batchesOf(window: { ids: number[]; index: number }[], batchSize: number): Generator<InputBatch> {
    const sorted = window.sort((a, b) => a.ids.length - b.ids.length || a.index - b.index);
    for (let start = 0; start < sorted.length; ) {
      let end = Math.min(start + batchSize, sorted.length);
      if (maskInput === undefined) {
        while (sorted[end - 1]!.ids.length !== sorted[start]!.ids.length) end--;
      }
      const batch = batchOf(sorted.slice(start, end));
      yield end === sorted.length ? { ...batch, resumeFrom: Math.max(...sorted.map(({ index }) => index)) + 1 } : batch;
      start = end;
    }
  }

  return {
    samples: undefined,
    identity: `${file}, ${found.size} bytes; tokenizer ${tokenizer.hash}; contextSize ${contextSize}; special ${addSpecialTokens}`,
    specialTokens: tokenizer.special,
    decode: token => tokenizer.decode(token),
    async *batches({ batchSize, from = 0 }) {
      let window: { ids: number[]; index: number }[] = [];
      let index = 0;
      for await (const ids of sequences()) {
        if (index >= from) window.push({ ids, index });
        index++;
        if (window.length < batchSize * BATCHES_SORTED) continue;
        yield* batchesOf(window, batchSize);
        window = [];
      }
      yield* batchesOf(window, batchSize);
      if (index === 0) throw new FileFormatError('there is no text in it', { file });
    },
  };
}
