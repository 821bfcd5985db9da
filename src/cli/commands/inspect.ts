/** `inspect`: what is in any `.onnx` file, found without ONNX Runtime. */
import { UsageError } from '../../errors.ts';
import { readSource } from '../../inference/node-source.ts';
import { describeModel, type ModelDescription, type TensorDescription } from '../../onnx/inspect.ts';
import { METADATA_KEYS } from '../../onnx/metadata.ts';
import { readModel } from '../../onnx/read.ts';
import { compareDirections, describeComparison } from '../compare-directions.ts';
import type { ReportOptions } from '../options.ts';
import { inColumns, report } from '../report.ts';
import { readStdin, type Terminal } from '../terminal.ts';

/** Longer lists of weights are cut: an exported language model has hundreds. */
const MOST_TENSORS = 40;

/** Options of `monosemantic inspect`. */
export interface InspectOptions extends ReportOptions {
  readonly against?: readonly string[];
}

/** Runs `monosemantic inspect`. */
export async function inspect(file: string, options: InspectOptions, terminal: Terminal): Promise<void> {
  const { against } = options;
  if (against && file === '-') throw new UsageError('--against needs a file, not stdin');
  const model =
    file === '-'
      ? readModel(await readStdin(terminal), { file: 'stdin' })
      : await readSource(file, { external: false });
  const description = describeModel(model);
  if (!against) return report(description, describe(description), options, terminal);
  const comparison = await compareDirections(file, against);
  const lines = [describe(description), '', 'directions', ...describeComparison(comparison).map(line => `  ${line}`)];
  report({ ...description, directions: comparison }, lines.join('\n'), options, terminal);
}

function describe(model: ModelDescription): string {
  const { metadata, producer, irVersion, opsets, parameterCount, nodeCount, operators } = model;
  const operatorList = Object.entries(operators).map(([name, count]) => (count === 1 ? name : `${count} ${name}`));
  const facts = [
    ['kind', metadata.kind ?? 'not said (no monosemantic metadata)'],
    [
      'format',
      `IR version ${irVersion}, ${Object.entries(opsets)
        .map(([domain, version]) => `${domain} ${version}`)
        .join(', ')}`,
    ],
    ['made by', producer || 'not said'],
    ['parameters', parameterCount.toLocaleString('en')],
    ['nodes', `${nodeCount}: ${operatorList.join(', ')}`],
    ...(metadata.trainedOn ? [['trained on', `the model whose file has SHA-256 ${metadata.trainedOn}`]] : []),
    ...flattened(metadata.config ?? {}),
    ...foreignProperties(model),
  ];
  return [
    model.file ?? 'bytes',
    ...indented(facts),
    ...section('inputs', model.inputs),
    ...section('outputs', model.outputs),
    ...section('weights', model.initializers),
  ].join('\n');
}

/** Every entry of nested JSON by its path; lists are not divided. */
function flattened(config: Readonly<Record<string, unknown>>, path = ''): string[][] {
  return Object.entries(config).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? flattened(value as Record<string, unknown>, `${path}${name}.`)
      : [[`${path}${name}`, typeof value === 'string' ? value : JSON.stringify(value)]],
  );
}

/** Metadata that this package did not write, such as an exporter's. */
function foreignProperties({ metadata: { properties } }: ModelDescription): string[][] {
  const ours: readonly string[] = Object.values(METADATA_KEYS);
  return Object.entries(properties).filter(([key]) => !ours.includes(key));
}

function section(title: string, tensors: readonly TensorDescription[]): string[] {
  const rows = tensors
    .slice(0, MOST_TENSORS)
    .map(({ name, type, shape }) => [name, type, shape ? `[${shape.join(', ')}]` : 'shape not stated']);
  const more = tensors.length - rows.length;
  return ['', title, ...indented(rows), ...(more > 0 ? [`  and ${more} more (--json lists all)`] : [])];
}

function indented(rows: readonly (readonly string[])[]): string[] {
  return inColumns(rows).map(line => `  ${line}`);
}
