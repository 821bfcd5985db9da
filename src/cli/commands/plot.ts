/** `plot`: figures of a frozen model, from its weights alone. Figures of the training are drawn where it runs. */

import { InvalidShapeError, InvalidValueError } from '../../errors.ts';
import { writeFileAtomic } from '../../files/write-atomic.ts';
import { readSource } from '../../inference/node-source.ts';
import type { OnnxModel } from '../../onnx/read.ts';
import { readInitializer } from '../../onnx/tensor-values.ts';
import {
  type Figure,
  plotCosineHeatMap,
  plotDirectionSnapshots,
  plotFeatureAnalysis,
  plotFeatureDirections,
  toHtml,
  toPng,
  toSvg,
} from '../../plots/node.ts';
import type { HostTensor } from '../../tensor.ts';
import { openModelFile } from '../open-model.ts';
import type { NameOptions, ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic plot`. */
export interface PlotOptions extends NameOptions, ReportOptions {
  readonly output?: string;
  readonly toyModel?: string;
  readonly format: readonly ('svg' | 'png' | 'html')[];
}

/** The most features that can be told apart in a picture of all pairs. */
const MOST_FEATURES_IN_PAIRS = 512;

/** Runs `monosemantic plot`. */
export async function plot(file: string, options: PlotOptions, terminal: Terminal): Promise<void> {
  const { output = file.replace(/\.onnx$/i, ''), toyModel, format } = options;
  const figures = toyModel === undefined ? await ownFigures(file, options) : await comparison(file, toyModel, options);
  const written: string[] = [];
  const write = async (path: string, data: string | Uint8Array): Promise<void> => {
    await writeFileAtomic(path, data);
    written.push(path);
  };
  for (const figure of figures) {
    terminal.checkInterruption();
    const svg = toSvg(figure);
    if (format.includes('svg')) await write(`${output}.${figure.name}.svg`, svg);
    if (format.includes('png')) await write(`${output}.${figure.name}.png`, toPng(svg));
  }
  if (format.includes('html')) await write(`${output}.html`, toHtml(figures, { title: file }));
  report({ model: file, figures: written }, written.join('\n'), options, terminal);
}

interface Drawn {
  readonly kind: string;
  readonly directions: HostTensor;
  readonly bias: HostTensor | undefined;
}

async function readDirections(file: string, options: NameOptions): Promise<Drawn> {
  const model = await openModelFile(file, { ...options, provider: 'cpu' });
  try {
    return {
      kind: model.info.kind,
      directions: await model.featureDirections(),
      bias: model.info.kind === 'sparse-autoencoder' ? undefined : biasOf(await readSource(file)),
    };
  } finally {
    await model.dispose();
  }
}

/** A toy model's bias where it has the name that the contract gives it. */
function biasOf(model: OnnxModel): HostTensor | undefined {
  const names = model.proto.graph.initializer?.map(({ name }) => name) ?? [];
  return names.includes('bias') ? readInitializer(model, 'bias') : undefined;
}

async function ownFigures(file: string, options: PlotOptions): Promise<Figure[]> {
  const { kind, directions, bias } = await readDirections(file, options);
  const [count, width] = directions.shape.slice(-2) as [number, number];
  const title = kind === 'sparse-autoencoder' ? 'Feature directions of the SAE' : 'Feature directions of the toy model';
  const figures = [
    ...(width === 2 ? [plotFeatureDirections(directions, { title })] : []),
    ...(count <= MOST_FEATURES_IN_PAIRS ? [plotFeatureAnalysis(directions, bias)] : []),
  ];
  if (figures.length > 0) return figures;
  throw new InvalidValueError(
    `${file}: ${count} features of ${width} dimensions: directions are drawn in 2, all pairs for at most ` +
      `${MOST_FEATURES_IN_PAIRS} features. With --toy-model FILE its latents are compared with known features`,
  );
}

async function comparison(file: string, target: string, options: PlotOptions): Promise<Figure[]> {
  const { directions: latents } = await readDirections(file, options);
  const { directions: features } = await readDirections(target, { kind: 'toy-model' });
  if (latents.shape.length !== 2 || features.shape.length !== 2 || latents.shape[1] !== features.shape[1]) {
    throw new InvalidShapeError(
      `${file} has directions [${latents.shape.join(', ')}], ${target} [${features.shape.join(', ')}]; ` +
        'expected two single models with directions of one width',
    );
  }
  return [
    plotCosineHeatMap(latents, features),
    ...(latents.shape[1] === 2 ? [plotDirectionSnapshots(features, [{ label: 'SAE', directions: latents }])] : []),
  ];
}
