/** Kinds of files that are read here: good ones to damage, and how each is read. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { strToU8, zipSync } from 'fflate';
import { decodeSparseFile } from '../../src/cli/sparse-file.ts';
import { createRandomSource, type RandomSource } from '../../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSaeFolder } from '../../src/export/load-sae-folder.ts';
import { writeCsv } from '../../src/files/csv.ts';
import { type ElementType, encodeElements } from '../../src/files/element-type.ts';
import { readJsonArray } from '../../src/files/json-array.ts';
import { npyHeader, readNpy, writeNpy } from '../../src/files/npy.ts';
import { readNpz } from '../../src/files/npz.ts';
import { openRowSource } from '../../src/files/row-source.ts';
import { readSafetensors, writeSafetensors } from '../../src/files/safetensors.ts';
import { openModel } from '../../src/inference/load.ts';
import { saeRequest, toyModelRequest } from '../../src/inference/requests.ts';
import { resolveSignature } from '../../src/inference/resolve-signature.ts';
import { parseMetadata } from '../../src/onnx/metadata.ts';
import { metadataProperties, readModel } from '../../src/onnx/read.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { type HostTensor, sizeOf } from '../../src/tensor.ts';
import { loadCheckpoint, saveCheckpoint } from '../../src/training/checkpoint.ts';
import {
  foreignSae,
  normalisingSae,
  parallelToyModel,
  thresholdSae,
  toyModel,
} from '../../test/inference/contract-graphs.ts';
import { hiddenModel, RESOLVED } from '../../test/inference/hidden-data.ts';
import { damage } from './damage.ts';
import { damageOnnx } from './damage-onnx.ts';

/** Numbers that were read, by name: what Python must have read as well. */
export type Reading = Readonly<Record<string, HostTensor<ArrayLike<number>>>>;

/** A file, or a folder of several, as bytes by name. */
export type FileSet = Readonly<Record<string, Uint8Array>>;

/** A kind of file, with good examples and a way to read it. */
export interface FileKind {
  readonly name: string;
  /** What Python reads it with (see oracle.py); undefined where only crashes, hangs and untyped errors count. */
  readonly oracle: 'npy' | 'npz' | 'safetensors' | 'csv' | 'json' | 'onnx' | undefined;
  examples(): Promise<readonly FileSet[]>;
  /** Reads the set that was written to `folder`; throws as the library does. `extra` is what Python must know beside the file. */
  read(folder: string, files: FileSet): Promise<{ readonly reading: Reading; readonly extra?: unknown }>;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const single = (files: FileSet): Uint8Array => Object.values(files)[0]!;

function values(random: RandomSource, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => Math.round(1000 * random.normal()) / 1000);
}

/** SAE folders of SAELens and others, which the tests have as well. */
async function saeFolders(): Promise<FileSet[]> {
  const sets: FileSet[] = [];
  for (const parent of ['test/reference/saelens', 'test/export/checkpoints', 'test/reference/saelens-hard']) {
    for (const entry of await readdir(join(root, parent), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const files: Record<string, Uint8Array> = {};
      for (const name of await readdir(join(root, parent, entry.name))) {
        if (/^io/.test(name)) continue;
        files[name] = new Uint8Array(await readFile(join(root, parent, entry.name, name)));
      }
      sets.push(files);
    }
  }
  return sets;
}

const NPY_TYPES: readonly ElementType[] = ['float32', 'float64', 'float16', 'int64', 'int32', 'uint8', 'bool'];

function npyExamples(): Uint8Array[] {
  const random = createRandomSource(1);
  const plain = NPY_TYPES.map(type => {
    const data = type.startsWith('float')
      ? values(random, 24)
      : Float32Array.from({ length: 24 }, () => random.integer(2));
    return writeNpy({ data, shape: [6, 4], type });
  });
  const headerOf = (text: string): Uint8Array => {
    const padded = `${text.padEnd(117)}\n`;
    return Uint8Array.from([0x93, ...strToU8('NUMPY'), 1, 0, padded.length, 0, ...strToU8(padded)]);
  };
  const data = encodeElements(values(random, 24), 'float32');
  const join2 = (head: Uint8Array, body: Uint8Array) => Uint8Array.from([...head, ...body]);
  return [
    ...plain,
    writeNpy({ data: values(random, 5), shape: [5] }),
    writeNpy({ data: values(random, 24), shape: [2, 3, 4] }),
    join2(headerOf("{'descr': '<f4', 'fortran_order': True, 'shape': (6, 4), }"), data),
    join2(headerOf("{'descr': '>f4', 'fortran_order': False, 'shape': (6, 4), }"), data),
    join2(npyHeader([0, 4], 'float32'), new Uint8Array(0)),
  ];
}

const numbers = ({ data, shape }: HostTensor<ArrayLike<number>>): HostTensor<ArrayLike<number>> => ({ data, shape });

const npy: FileKind = {
  name: 'npy',
  oracle: 'npy',
  examples: async () => npyExamples().map(bytes => ({ 'a.npy': bytes })),
  read: async (_folder, files) => ({ reading: { array: numbers(readNpy(single(files))) } }),
};

/** Streams `name` row by row, as `encode` does. */
async function readRows(path: string, tensor?: string): Promise<HostTensor> {
  const rows = await openRowSource(path, tensor === undefined ? {} : { tensor });
  try {
    const parts: Float32Array[] = [];
    if (rows.rows * rows.width > 1e7) return { data: new Float32Array(0), shape: [0] };
    for (let at = 0; at < rows.rows; at += 2) parts.push(await rows.read(at, Math.min(2, rows.rows - at)));
    const data = new Float32Array(rows.rows * rows.width);
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    return { data, shape: [rows.rows, rows.width] };
  } finally {
    await rows.close();
  }
}

const npyRows: FileKind = {
  ...npy,
  name: 'npy, streamed',
  oracle: 'npy',
  read: async folder => ({ reading: { rows: await readRows(join(folder, 'a.npy')) } }),
};

const npz: FileKind = {
  name: 'npz',
  oracle: 'npz',
  examples: async () => {
    const [a, b, c] = npyExamples();
    const contents = { 'W_enc.npy': a!, 'b_dec.npy': b!, 'threshold.npy': c! };
    return [0, 6].map(level => ({
      'a.npz': zipSync(contents, { level: level as 0 | 6, mtime: new Date('2020-01-01T00:00:00') }),
    }));
  },
  read: async (_folder, files) => ({
    reading: Object.fromEntries([...readNpz(single(files))].map(([name, tensor]) => [name, numbers(tensor)])),
  }),
};

function safetensorsExample(): Uint8Array {
  const random = createRandomSource(2);
  return writeSafetensors(
    {
      W_enc: { data: values(random, 24), shape: [4, 6] },
      b_enc: { data: values(random, 6), shape: [6], type: 'float64' },
      half: { data: values(random, 6), shape: [3, 2], type: 'float16' },
      brain: { data: values(random, 4), shape: [4], type: 'bfloat16' },
      counts: { data: [1, 2, 3], shape: [3], type: 'int64' },
      flags: { data: [1, 0, 1], shape: [3], type: 'bool' },
      none: { data: [], shape: [0, 4] },
      scalar: { data: [1], shape: [] },
    },
    { format: 'pt', note: 'made for damage' },
  );
}

const safetensors: FileKind = {
  name: 'safetensors',
  oracle: 'safetensors',
  examples: async () => [{ 'a.safetensors': safetensorsExample() }],
  read: async (_folder, files) => ({
    reading: Object.fromEntries(
      [...readSafetensors(single(files)).tensors].map(([name, tensor]) => [name, numbers(tensor)]),
    ),
  }),
};

const safetensorsRows: FileKind = {
  name: 'safetensors, streamed',
  oracle: 'safetensors',
  examples: safetensors.examples,
  read: async folder => ({ reading: { W_enc: await readRows(join(folder, 'a.safetensors'), 'W_enc') } }),
};

const csv: FileKind = {
  name: 'csv',
  oracle: 'csv',
  examples: async () => {
    const text = writeCsv({ data: values(createRandomSource(3), 24), shape: [6, 4] });
    return [text, `a,b,c,d\n${text}`, text.replaceAll('\n', '\r\n'), `\ufeff${text}`].map(one => ({
      'a.csv': strToU8(one),
    }));
  },
  read: async folder => ({ reading: { rows: await readRows(join(folder, 'a.csv')) } }),
};

const json: FileKind = {
  name: 'json',
  oracle: 'json',
  examples: async () => {
    const data = [...values(createRandomSource(4), 24)];
    const rows = Array.from({ length: 6 }, (_, i) => data.slice(4 * i, 4 * i + 4));
    return [rows, { shape: [6, 4], data }, [rows, rows], data].map(value => ({
      'a.json': strToU8(JSON.stringify(value)),
    }));
  },
  read: async (_folder, files) => ({ reading: { array: readJsonArray(new TextDecoder().decode(single(files))) } }),
};

const sparse: FileKind = {
  name: 'sparse features',
  oracle: undefined,
  examples: async () => {
    const lists = { shape: [3, 10], offsets: [0, 2, 2, 5], indices: [1, 7, 0, 3, 9], values: [0.5, 1, 2, 0.25, 3] };
    const tensors = Object.entries(lists).map(([name, data]) => {
      const type: ElementType = name === 'values' ? 'float32' : 'int64';
      return [name, { data, shape: [data.length], type }] as const;
    });
    const scipy: Readonly<Record<string, string>> = { offsets: 'indptr', values: 'data' };
    const arrays = tensors.map(([name, tensor]) => [`${scipy[name] ?? name}.npy`, writeNpy(tensor)] as const);
    return [
      { 'a.npz': zipSync(Object.fromEntries(arrays), { mtime: new Date('2020-01-01T00:00:00') }) },
      { 'a.safetensors': writeSafetensors(Object.fromEntries(tensors)) },
      { 'a.json': strToU8(JSON.stringify(lists)) },
    ];
  },
  read: async (_folder, files) => {
    decodeSparseFile(single(files), 'a');
    return { reading: {} };
  },
};

const folders: FileKind = {
  name: 'SAE folders',
  oracle: undefined,
  examples: saeFolders,
  read: async folder => {
    const { sae } = await loadSaeFolder(folder);
    const wrong = Object.entries(sae.weights).find(
      ([name, { data }]) => name !== 'threshold' && !data.every(value => Number.isFinite(value)),
    );
    if (wrong) throw new TypeError(`${wrong[0]} was accepted and is not finite`);
    return { reading: {} };
  },
};

const EXPERIMENT = { kind: 'sae', dIn: 4, seed: 0 };

const checkpoints: FileKind = {
  name: 'checkpoints',
  oracle: undefined,
  examples: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    const random = createRandomSource(5);
    await saveCheckpoint(join(folder, 'a.checkpoint'), {
      experiment: EXPERIMENT,
      step: 3,
      state: { W_enc: { data: values(random, 24), shape: [4, 6] }, b_enc: { data: values(random, 6), shape: [6] } },
      metrics: { loss: values(random, 3) },
      snapshots: [{ step: 0, value: { directions: { data: values(random, 8), shape: [4, 2] } } }],
      batches: { kind: 'stream', state: [1, 2, 3, 4] },
    });
    const bytes = new Uint8Array(await readFile(join(folder, 'a.checkpoint')));
    await rm(folder, { recursive: true });
    return [{ 'a.checkpoint': bytes }];
  },
  read: async folder => {
    await loadCheckpoint(join(folder, 'a.checkpoint'), EXPERIMENT);
    return { reading: {} };
  },
};

/** A batch that tells apart what differs: three samples. */
const samples = (shape: readonly number[]): HostTensor => ({
  data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)),
  shape,
});

/** Models that are larger than this are opened and not run: a dimension that was changed is what the file consistently says. */
const MOST_VALUES = 1e7;

async function readOnnx(bytes: Uint8Array): Promise<{ reading: Reading; extra?: unknown }> {
  const model = readModel(bytes);
  const metadata = parseMetadata(metadataProperties(model));
  const isToy = metadata.kind !== undefined && metadata.kind !== 'sparse-autoencoder';
  const request = isToy ? toyModelRequest({ provider: 'cpu' }) : saeRequest({ provider: 'cpu' });
  const signature = resolveSignature(model, metadata, request.wanted, request.names);
  const autoencoder = await openModel(model, request, loadNodeRuntime);
  try {
    const { inputShape, codeShape, reconstructionShape } = autoencoder.info;
    const perSample = sizeOf(inputShape) + sizeOf(codeShape) + sizeOf(reconstructionShape);
    if (perSample > MOST_VALUES) return { reading: {} };
    const input = samples([3, ...inputShape]);
    const { code, reconstruction } = await autoencoder.forward(input);
    const encoded = await autoencoder.encode(input);
    if (
      !encoded.data.every(
        (value, i) => Object.is(value, code.data[i]) || Math.abs(value - code.data[i]!) < 1e-3 * (1 + Math.abs(value)),
      )
    ) {
      throw new TypeError('encode and forward give different features');
    }
    // Errors of the library count, its answers do not: the file says where directions are, or nothing does.
    await autoencoder.featureDirections().catch((error: unknown) => {
      if ((error as Error).name !== 'FileFormatError') throw error;
    });
    return {
      reading: { code, reconstruction },
      extra: {
        input: signature.input,
        shape: input.shape,
        type: signature.inputType,
        outputs: [signature.code, signature.reconstruction],
        batch: signature.fixedBatch,
      },
    };
  } finally {
    await autoencoder.dispose();
  }
}

async function models(): Promise<FileSet[]> {
  const made: Uint8Array[] = [foreignSae, normalisingSae, thresholdSae, toyModel, parallelToyModel].map(
    make => new Uint8Array(make()),
  );
  // With graphs within their nodes, and functions.
  for (const hide of Object.values(RESOLVED)) made.push(hiddenModel(hide).bytes);
  const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  for (const files of await saeFolders()) {
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
    const loaded = await loadSaeFolder(folder).catch(() => undefined);
    if (loaded) made.push(new Uint8Array(frozenSaeToOnnx(loaded.sae)));
    for (const name of Object.keys(files)) await rm(join(folder, name));
  }
  await rm(folder, { recursive: true });
  return made.map(bytes => ({ 'a.onnx': bytes }));
}

const onnxBytes: FileKind = {
  name: 'onnx, bytes',
  oracle: 'onnx',
  examples: models,
  read: (_folder, files) => readOnnx(single(files)),
};

const onnxMessages: FileKind = { ...onnxBytes, name: 'onnx, messages' };

/** All kinds of files that are damaged. */
export const FILE_KINDS: readonly FileKind[] = [
  onnxBytes,
  onnxMessages,
  npy,
  npyRows,
  npz,
  safetensors,
  safetensorsRows,
  csv,
  json,
  sparse,
  folders,
  checkpoints,
];

const exampleCache = new Map<string, Promise<readonly FileSet[]>>();

function examplesOf(kind: FileKind): Promise<readonly FileSet[]> {
  const found = exampleCache.get(kind.name) ?? kind.examples();
  exampleCache.set(kind.name, found);
  return found;
}

/** The damaged file of `kind` and `seed`: one file of the set is damaged. */
export async function damagedFile(
  kind: FileKind,
  seed: number,
): Promise<{ readonly files: FileSet; readonly damages: readonly string[] }> {
  const random = createRandomSource(seed);
  const examples = await examplesOf(kind);
  const files = examples[random.integer(examples.length)]!;
  const names = Object.keys(files);
  const name = names[random.integer(names.length)]!;
  const other = (): Uint8Array => {
    const set = Object.values(examples[random.integer(examples.length)]!);
    return set[random.integer(set.length)]!;
  };
  const { bytes, damages } =
    kind === onnxMessages ? damageOnnx(files[name]!, random) : damage(files[name]!, random, other);
  return { files: { ...files, [name]: bytes }, damages };
}

/** Writes a set into `folder`. */
export async function writeSet(folder: string, files: FileSet): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
}
