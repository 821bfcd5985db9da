/**
 * Takes rows of a hidden tensor of a host model while the bundle is built; none of them is written to disk. Node only.
 */
import { InvalidValueError } from '../errors.ts';
import type { ActivationBatch, RowOptions } from '../host/activation-rows.ts';
import type { HostModel } from '../host/host-model.ts';
import type { HostData } from '../host/input-batches.ts';
import type { NamedHash } from './bundle-manifest.ts';
import type { FeatureRows } from './feature-rows.ts';

/**
 * Opens the rows of `options.tensor` of `host`, run over `data`, and those of `options.target` for a transcoder. A
 * sample is a sequence.
 * @param model the name and hash of the host, for the bundle
 * @throws InvalidValueError where no position counts, and as `HostModel.activationBatches`
 */
export async function openHostRows(
  host: HostModel,
  data: HostData,
  options: RowOptions,
  model?: NamedHash,
): Promise<FeatureRows> {
  const batches = host.activationBatches(data, options)[Symbol.asyncIterator]();
  // The first rows tell the width, and whether there are tokens.
  let first = await batches.next();
  while (!first.done && first.value.samples.length === 0) first = await batches.next();
  if (first.done) throw new InvalidValueError(`${options.tensor}: there are no positions that count`);
  const rowsOf = ({ rows, target, tokens, samples, positions }: ActivationBatch) => ({
    activations: rows.data,
    ...(target && { target: target.data }),
    ...(tokens && { tokens }),
    positions,
    sequences: samples,
  });
  const { value } = first;
  return {
    width: value.rows.shape[1]!,
    ...(value.target && { targetWidth: value.target.shape[1]! }),
    hasTokens: value.tokens !== undefined,
    provenance: {
      kind: 'model',
      tensor: options.tensor,
      ...(options.target !== undefined && { target: options.target }),
      ...(model && { model }),
    },
    async *batches() {
      try {
        yield rowsOf(value);
        for (let next = await batches.next(); !next.done; next = await batches.next()) yield rowsOf(next.value);
      } finally {
        await batches.return?.(undefined);
      }
    },
  };
}
