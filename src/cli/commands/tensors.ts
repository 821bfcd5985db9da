/** `tensors`: the hidden tensors of any model. */
import type { HostTensorDescription } from '../../host/host-model.ts';
import type { HostRunOptions } from '../host-options.ts';
import { openHostFile } from '../open-host.ts';
import type { ReportOptions } from '../options.ts';
import { inColumns, report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic tensors`. */
export interface TensorsOptions extends ReportOptions, HostRunOptions {
  readonly all?: boolean;
}

/** Runs `monosemantic tensors`. */
export async function tensors(file: string, options: TensorsOptions, terminal: Terminal): Promise<void> {
  const host = await openHostFile(file, options);
  try {
    const list = await host.tensors();
    report(list, words(list, options.all ?? false), options, terminal);
  } finally {
    await host.dispose();
  }
}

/** Tensors that an autoencoder could read. */
const isCandidate = ({ type, shape }: HostTensorDescription): boolean =>
  /^(b?float|bfloat)/.test(type) && (shape === undefined || shape.length >= 2);

function words(list: readonly HostTensorDescription[], all: boolean): string {
  const residual = list.filter(tensor => tensor.residual);
  const shown = all || residual.length === 0 ? list.filter(tensor => all || isCandidate(tensor)) : residual;
  const rows = shown.map(({ name, type, shape, op, residual: isResidual, output }) => [
    isResidual ? '*' : ' ',
    name,
    type,
    shape ? `[${shape.join(', ')}]` : 'shape not known',
    output ? `${op}, an output` : op,
  ]);
  const more = list.length - shown.length;
  return [
    ...(residual.length > 0 ? ['* the likely residual stream'] : []),
    ...inColumns(rows),
    ...(more > 0 ? [`and ${more} other tensors (--all lists them)`] : []),
  ].join('\n');
}
