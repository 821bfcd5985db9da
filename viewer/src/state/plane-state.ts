/**
 * What the plane shows of the models in view: its axes, the cloud of activations, the arrows, and the regions in which
 * each latent is the strongest.
 */
import { computed, signal } from '@preact/signals';
import type { HostTensor } from '../../../src/tensor.ts';
import { extentOf, latentArrows, type PlaneArrow, pointOf, truthArrows, typicalLength } from '../data/arrows.ts';
import { featureColour, resolvedColour, UNMATCHED } from '../data/colours.ts';
import { featureOfLatent, rowsOf } from '../data/matching.ts';
import { type PlaneBasis, plainPlane, planeOf, principalPlane, project } from '../data/plane-basis.ts';
import { blockOf, readBlock } from '../data/rows.ts';
import { inference } from '../workers/inference-client.ts';
import { matching } from './matching.ts';
import { sae, toy, truth } from './models.ts';
import { view } from './navigation.ts';
import { resource } from './resource.ts';
import { rows } from './rows.ts';
import { selectedFeature, selectedLatent } from './selection.ts';
import { dark } from './settings.ts';

/**
 * The indices of the two directions that the person chose to span the plane; undefined stands for the principal
 * components.
 */
export const chosenDirections = signal<readonly [number, number] | undefined>(undefined);
/** Whether activations are shown. */
export const showCloud = signal(true);
/** Whether true directions are shown. */
export const showTruth = signal(true);
/** Whether latents are shown. */
export const showLatents = signal(true);
/** Whether the regions of the strongest latents are shown. */
export const showRegions = signal(true);

/** The toy model that gives the plane its points: the truth, or the only model in view. */
export const planeToy = computed(() => truth.value ?? (sae.value ? undefined : toy.value));
/** Dimensions of the space that the plane cuts through. */
export const dimensions = computed(() => planeToy.value?.codeSize ?? sae.value?.inputSize ?? 0);
/** Directions that may span the plane: the true ones, or the latents where there is no truth. */
export const spanning = computed(() => planeToy.value?.directions ?? sae.value?.directions);

/**
 * The most dimensions for which the plane is shown. A plane through more of them shows next to nothing, and latents are
 * mapped instead.
 */
export const MOST_DIMENSIONS = 8;
/** Whether the models in view have few enough dimensions for the plane. */
export const isFlat = computed(() => dimensions.value <= MOST_DIMENSIONS);

/** The most points of the cloud. More of them would only darken it. */
const MOST_POINTS = 1500;

/** A few rows of activations, for the cloud. */
/** Whether one of the views that draw the plane is open. */
const isLookedAt = (): boolean => view.value === 'plane' || view.value === 'training';

const points = resource<HostTensor>(
  'The rows could not be read',
  () => {
    const used = rows.value;
    if (!used || !isFlat.value || used.width !== dimensions.value) return undefined;
    const { width } = used;
    const count = Math.min(MOST_POINTS, used.count);
    return {
      about: used.id,
      ask: async () => ({ data: await readBlock(blockOf(used, 0, count)), shape: [count, width] }),
    };
  },
  isLookedAt,
);

/** The plane's origin and axes; undefined while they are not known. */
export const basis = computed<PlaneBasis | undefined>(() => {
  if (!isFlat.value) return undefined;
  if (dimensions.value === 2) return plainPlane();
  const pair = chosenDirections.value;
  const spans = spanning.value;
  if (pair && spans) {
    const [width, count] = [spans.shape[1]!, spans.shape[0]!];
    const row = (index: number): Float32Array => {
      const at = Math.min(index, count - 1) * width;
      return spans.data.slice(at, at + width);
    };
    if (width > 1) return planeOf(row(pair[0]), row(pair[1]));
  }
  const drawn = points.value ?? spans;
  if (!drawn || drawn.shape[1] !== dimensions.value || dimensions.value < 2) return undefined;
  return principalPlane(drawn);
});

/** The activations in the plane, x and y in turn; undefined while they are not known. */
export const cloud = computed<Float32Array | undefined>(() => {
  const axes = basis.value;
  const drawn = points.value;
  if (!axes || !drawn || drawn.shape[1] !== axes.origin.length) return undefined;
  const width = drawn.shape[1]!;
  const places = new Float32Array(2 * drawn.shape[0]!);
  for (let i = 0; i < drawn.shape[0]!; i++) {
    places.set(project(axes, drawn.data.subarray(i * width, (i + 1) * width)), 2 * i);
  }
  return places;
});

/** The true directions in the plane. */
export const planeTruth = computed<PlaneArrow[]>(() => {
  const axes = basis.value;
  const directions = planeToy.value?.directions;
  return axes && directions ? truthArrows(rowsOf(directions), axes, selectedFeature.value) : [];
});

/** b_dec of the autoencoder in view, in the plane. */
export const planeBias = computed(() => (basis.value && sae.value ? pointOf(basis.value, sae.value.bias) : undefined));

/** The latents in the plane. */
export const planeLatents = computed<PlaneArrow[]>(() => {
  const axes = basis.value;
  const encoder = sae.value;
  if (!axes || !encoder?.directions || encoder.outputSize !== axes.origin.length) return [];
  const known = planeToy.value?.directions;
  return latentArrows(rowsOf(encoder.directions), axes, {
    found: matching.value,
    length: known ? typicalLength(rowsOf(known)) : 1,
    selected: selectedLatent.value,
    from: encoder.bias,
  });
});

/** Half the side of the square that is shown, which holds everything that is drawn. */
export const extent = computed(() => {
  const seen = cloud.value ?? new Float32Array();
  const radii = Array.from({ length: seen.length / 2 }, (_, i) => Math.hypot(seen[2 * i]!, seen[2 * i + 1]!));
  const most = radii.sort((a, b) => a - b)[Math.floor(radii.length * 0.98)] ?? 0;
  return extentOf(planeTruth.value, planeLatents.value, [{ x: planeToy.value ? 0 : most, y: 0 }]);
});

const FINEST = 240;
const LARGEST_PRODUCT = 4e9;

/** The strongest latent over a grid on the whole square. */
const winners = resource(
  'The regions could not be worked out',
  () => {
    const axes = basis.value;
    const encoder = sae.value;
    const half = extent.value;
    if (!axes || !encoder?.runs || !showRegions.value || encoder.inputSize !== axes.origin.length) return undefined;
    const about = `${encoder.id} ${half} ${[...axes.origin, ...axes.axes[0], ...axes.axes[1]].join()}`;
    const grid = Math.min(FINEST, Math.floor(Math.sqrt(LARGEST_PRODUCT / (encoder.inputSize * encoder.codeSize))));
    if (grid < 16) return undefined;
    return {
      about,
      ask: async () => {
        const latents = await (await inference()).winners(encoder.id, axes, half, grid);
        return { latents, grid };
      },
    };
  },
  () => view.value === 'plane',
);

const ALPHA = { light: 36, dark: 52 };

/**
 * The regions as a picture, the address of which this is: each in its latent's colour, with white lines between them.
 */
export const regions = computed<string | undefined>(() => {
  const found = winners.value;
  const encoder = sae.value;
  if (!found || !encoder || !showRegions.value) return undefined;
  const { latents, grid } = found;
  const matched = matching.value;
  const alpha = dark.value ? ALPHA.dark : ALPHA.light;
  const canvas = document.createElement('canvas');
  canvas.width = grid;
  canvas.height = grid;
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  const colours = new Map<number, Uint8ClampedArray>();
  const colourOf = (latent: number): Uint8ClampedArray => {
    const known = colours.get(latent);
    if (known) return known;
    const feature = featureOfLatent(latent, matched);
    const colour = matched
      ? feature < 0
        ? UNMATCHED
        : featureColour(feature, matched.features)
      : featureColour(latent, encoder.codeSize);
    context.fillStyle = resolvedColour(colour);
    context.fillRect(0, 0, 1, 1);
    const rgb = context.getImageData(0, 0, 1, 1).data;
    colours.set(latent, rgb);
    return rgb;
  };
  const pixels = new Uint8ClampedArray(4 * grid * grid);
  for (let i = 0; i < latents.length; i++) {
    const latent = latents[i]!;
    if (latent < 0) continue;
    const right = (i + 1) % grid === 0 ? latent : latents[i + 1];
    const below = i + grid < latents.length ? latents[i + grid] : latent;
    const [r, g, b] = colourOf(latent);
    const edge = right !== latent || below !== latent;
    pixels.set([r!, g!, b!, edge ? alpha * 2.6 : alpha], 4 * i);
  }
  context.putImageData(new ImageData(pixels, grid, grid), 0, 0);
  return canvas.toDataURL();
});
