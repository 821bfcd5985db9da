/** Opens a feature bundle: a folder that `monosemantic dashboard` wrote. */
import { openFeatureBundle } from '../../../src/features/open-bundle.ts';
import { ARCHITECTURES, factsOf } from '../data/facts.ts';
import type { Model } from '../data/model.ts';
import { bundles, type OpenBundle, readBundle } from '../state/bundles.ts';
import { addModel, models, showModel } from '../state/models.ts';

const asNumber = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** A model in place of an autoencoder of which only the feature pages are open. */
function modelOf({ bundle, overview, model, name }: OpenBundle): Model {
  const { sae, activations } = bundle.manifest;
  const config = sae.config ?? {};
  const architecture = String(config['architecture'] ?? '');
  const facts = factsOf({ config, decoderInputs: [], properties: {} });
  if (activations.model) facts.push({ name: 'Model', value: activations.model.name });
  if (activations.tensor) facts.push({ name: 'Tensor', value: activations.tensor });
  return {
    id: model,
    name: sae.name ?? name,
    kind: 'sparse-autoencoder',
    source: { type: 'page' },
    sha256: sae.sha256 ?? '',
    directions: undefined,
    bias: new Float32Array(sae.d_out),
    inputSize: sae.d_in,
    outputSize: sae.d_out,
    codeSize: sae.d_sae,
    architecture: ARCHITECTURES[architecture] ?? architecture,
    k: asNumber(config['k']),
    trainedOn: undefined,
    sparsity: undefined,
    history: undefined,
    geometry: {
      decoderNorms: overview.decoderNorm,
      encoderCosines: overview.encoderDecoderCosine,
      encoderBias: undefined,
    },
    runs: false,
    facts,
    notes: ['Its weights are not open: only what the bundle says of it.'],
  };
}

/** Opens a bundle, dropped or by the address of its folder, and shows the autoencoder that it is about. */
export async function openBundle(name: string, files: readonly File[] | string): Promise<Model> {
  const inside = typeof files === 'string' ? [] : files.map(file => [file.name, file] as const);
  const bundle = await openFeatureBundle(typeof files === 'string' ? files : new Map(inside));
  const opened = await readBundle(name, bundle, new Map(inside));
  bundles.value = [...bundles.value.filter(other => other.model !== opened.model || other.name !== name), opened];
  const known = models.value.find(({ id }) => id === opened.model);
  if (known) showModel(known.id);
  else addModel(modelOf(opened));
  return models.value.find(({ id }) => id === opened.model)!;
}
