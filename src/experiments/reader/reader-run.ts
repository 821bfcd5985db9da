/**
 * The example `monosemantic example`: from a real model to its features and back, offline, in minutes on two cores. Lines of an English text are
 * drawn as images; an SAE learns a text recogniser's residual stream; it is scored inside the recogniser and spliced into it; and pages
 * show each latent with the characters at which it fires.
 */
import { basename, join } from 'node:path';
import { activationFiles } from '../../data/activation-files.ts';
import { buildFeatureBundle } from '../../features/build-bundle.ts';
import { openFeatureBundle } from '../../features/open-bundle-folder.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import { writeActivations } from '../../host/activation-writer.ts';
import type { InputBatch } from '../../host/input-batches.ts';
import { openHost } from '../../host/node.ts';
import { evaluate, splice } from '../../host/splice.ts';
import { trainSae } from '../../training/node.ts';
import type { Progress } from '../../training/train.ts';
import { drawnLines } from './drawn-lines.ts';
import { characters, LOGITS, PLACES, recogniserFiles, rowsRead, TENSOR } from './recogniser.ts';

/** Sizes of the example. */
export interface ReaderSettings {
  /** Images that the SAE learns from; a fifteenth as many score it, a third as many fill the pages. */
  readonly images: number;
  readonly steps: number;
  /** Latents, of which 8 are active at a place. */
  readonly dSae: number;
}

/** Where the example writes, and who is told of it. */
export interface ReaderContext {
  /** The folder; it exists, and what the example writes there is replaced. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
  /** A line for a person. */
  readonly log: (line: string) => void;
  /** Shows how the training goes. */
  readonly progress: (progress: Progress) => void;
}

/** What the example found; shares are from 0 to 1. */
export interface ReaderResult {
  /** The folder of feature pages. */
  readonly pages: string;
  readonly explainedVariance: number | null;
  readonly klScore: number | null;
  /** The share of places at which the recogniser reads the same character through the SAE. */
  readonly sameCharacter: number | null;
  /** Latents that a simple rule describes with an F1 of .6 or more, the surest first; F1 is taken on images that did not choose the rule. */
  readonly named: readonly {
    readonly latent: number;
    readonly rule: string;
    readonly f1: number;
    readonly rows: number;
  }[];
}

/** Runs the example. */
export async function runReader(
  { images, steps, dSae }: ReaderSettings,
  context: ReaderContext,
): Promise<ReaderResult> {
  const { folder, signal, log, progress } = context;
  const { model, keys } = recogniserFiles();
  const [output, sae, merged, pages] = ['activations.npy', 'sae.onnx', 'merged.onnx', 'pages'].map(name =>
    join(folder, name),
  ) as [string, string, string, string];
  await using host = await openHost(model);

  log(`drawing ${images} lines of text, which ${basename(model)} reads`);
  const record = await writeActivations(host, drawnLines(images, 1), {
    tensor: TENSOR,
    output,
    overwrite: true,
    signal,
  });
  log(`${output}: ${record.rows} rows of ${record.width} from ${images} images`);

  const trained = await trainSae(
    {
      data: activationFiles(output),
      dSae,
      activation: { kind: 'topk', k: 8 },
      start: { directions: 'gaussian' },
      batchSize: 1024,
      steps,
      learningRate: 1e-3,
    },
    { signal, onProgress: progress },
  );
  signal?.throwIfAborted();
  await trained.sae.save(sae);
  log(`${sae}: TopK, 8 of ${dSae} latents`);

  const unseen = drawnLines(Math.ceil(images / 15), 2);
  const scores = await evaluate(host, sae, unseen, { tensor: TENSOR, logits: LOGITS, signal });
  log(
    `on ${scores.rows} rows of new images: explained variance ${percent(scores.explained_variance)}, KL score ${percent(scores.kl_score)},`,
  );
  log(
    `the same character at ${percent(scores.top1_agreement_sae)} of the places (${percent(scores.top1_agreement_zero)} with the tensor zero, ${percent(scores.top1_agreement_mean)} with its mean)`,
  );
  if (scores.check.bypassed)
    log('(the recogniser also hands earlier features past this tensor, so zero and mean keep some of its reading)');

  const [first] = unseen.batches({ batchSize: 4 }) as Iterable<InputBatch>;
  const spliced = await splice(host, sae, { tensor: TENSOR, inputs: first!.inputs });
  await spliced.write(merged);
  log(`${merged}: the recogniser with the SAE inside, and its features as a further output`);

  const built = await buildFeatureBundle({
    sae,
    rows: await rowsRead(host, drawnLines(Math.ceil(images / 3), 3)),
    out: pages,
    overwrite: true,
    tokenizer: { name: basename(keys), sha256: await sha256OfFile(keys), texts: await characters() },
    context: { before: PLACES / 2, after: PLACES / 2 },
    ...(signal && { signal }),
  });
  const { activations, statistics } = built.manifest;
  log(`${pages}: pages of ${dSae} latents over ${activations.rows} rows; ${statistics.never_fired} never fired`);

  const named = await namedLatents(pages);
  log(`${named.length} latents follow a simple rule with an F1 of .6 or more, such as`);
  for (const { latent, rule, f1, rows } of named.slice(0, 12))
    log(`  latent ${latent}: ${rule} (F1 ${f1.toFixed(2)}, ${rows} rows)`);
  return {
    pages,
    explainedVariance: scores.explained_variance,
    klScore: scores.kl_score ?? null,
    sameCharacter: scores.top1_agreement_sae ?? null,
    named,
  };
}

const percent = (share: number | null | undefined): string => `${(100 * (share ?? Number.NaN)).toFixed(1)}%`;

async function namedLatents(folder: string): Promise<ReaderResult['named']> {
  const bundle = await openFeatureBundle(folder);
  try {
    const { rule, ruleF1, count } = await bundle.overview();
    const rules = await bundle.rules();
    return [...rule]
      .flatMap((index, latent) =>
        index < 0 ? [] : [{ latent, rule: rules[index]!.text, f1: ruleF1[latent]!, rows: count[latent]! }],
      )
      .filter(({ f1 }) => f1 >= 0.6)
      .sort((a, b) => b.f1 - a.f1);
  } finally {
    await bundle.close();
  }
}
