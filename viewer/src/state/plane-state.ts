/** What the plane shows for the models in view: its axes, the cloud, the arrows, and the regions where each latent wins. */
import { computed, signal } from '@preact/signals';
import { latentArrows, type PlaneArrow, truthArrows, typicalLength } from '../data/arrows.ts';
import { featureColour, resolvedColour, UNMATCHED } from '../data/colours.ts';
import { featureOfLatent, rowsOf } from '../data/matching.ts';
import { lift, type PlaneBasis, plainPlane, planeOf, principalPlane, project } from '../data/plane-basis.ts';
import { inference } from '../workers/inference-client.ts';
import { matching } from './matching.ts';
import { sae, toy, truth } from './models.ts';
import { resource } from './resource.ts';
import { samples } from './samples.ts';
import { selectedFeature, selectedLatent } from './selection.ts';
import { dark } from './settings.ts';

/** Two directions that span the plane; undefined takes the principal components. */
export const chosenDirections = signal<readonly [number, number] | undefined>(undefined);
export const showCloud = signal(true);
export const showTruth = signal(true);
export const showLatents = signal(true);
export const showRegions = signal(true);

/** The toy model that gives the plane its points: the truth, or the only model in view. */
export const planeToy = computed(() => truth.value ?? (sae.value ? undefined : toy.value));
/** Dimensions of the space that the plane cuts through. */
export const dimensions = computed(() => planeToy.value?.codeSize ?? sae.value?.inputSize ?? 0);
/** Directions that may span the plane: the true ones, or the latents where there is no truth. */
export const spanning = computed(() => planeToy.value?.directions ?? sae.value?.directions);

export const basis = computed<PlaneBasis | undefined>(() => {
  if (dimensions.value === 2) return plainPlane();
  const pair = chosenDirections.value;
  const rows = spanning.value;
  if (pair && rows) {
    const [width, count] = [rows.shape[1]!, rows.shape[0]!];
    const row = (index: number): Float32Array => {
      const at = Math.min(index, count - 1) * width;
      return rows.data.slice(at, at + width);
    };
    if (width > 1) return planeOf(row(pair[0]), row(pair[1]));
  }
  const drawn = samples.value?.activations;
  if (!drawn || drawn.shape[1] !== dimensions.value || dimensions.value < 2) return undefined;
  return principalPlane(drawn);
});

/** Beyond this many points the cloud only darkens. */
const MOST_POINTS = 1500;

export const cloud = computed<Float32Array | undefined>(() => {
  const axes = basis.value;
  const drawn = samples.value?.activations;
  if (!axes || !drawn || drawn.shape[1] !== axes.origin.length) return undefined;
  const width = drawn.shape[1]!;
  const count = Math.min(MOST_POINTS, drawn.shape[0]!);
  const points = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) points.set(project(axes, drawn.data.subarray(i * width, (i + 1) * width)), 2 * i);
  return points;
});

/** Half the side of the plane: everything is in it. */
export const extent = computed(() => {
  const axes = basis.value;
  let most = 0;
  const rows = planeToy.value ? rowsOf(planeToy.value.directions) : [];
  for (const row of axes ? rows : []) most = Math.max(most, Math.hypot(...project(axes!, row, true)));
  if (rows.length === 0) {
    const points = cloud.value ?? new Float32Array();
    const radii = Array.from({ length: points.length / 2 }, (_, i) => Math.hypot(points[2 * i]!, points[2 * i + 1]!));
    most = radii.sort((a, b) => a - b)[Math.floor(radii.length * 0.99)] ?? 1;
  }
  return 1.22 * Math.max(most, 0.5);
});

export const planeTruth = computed<PlaneArrow[]>(() => {
  const axes = basis.value;
  const model = planeToy.value;
  return axes && model ? truthArrows(rowsOf(model.directions), axes, selectedFeature.value) : [];
});

export const planeLatents = computed<PlaneArrow[]>(() => {
  const axes = basis.value;
  const encoder = sae.value;
  if (!axes || !encoder || encoder.codeSize > 4096) return [];
  const length = planeToy.value ? typicalLength(rowsOf(planeToy.value.directions)) : 0.8 * extent.value;
  return latentArrows(rowsOf(encoder.directions), axes, matching.value, length, selectedLatent.value);
});

const FINEST = 240;
const LARGEST_PRODUCT = 4e9;

/** The strongest latent over a grid on the whole square. */
const winners = resource('The regions could not be worked out', () => {
  const axes = basis.value;
  const encoder = sae.value;
  const half = extent.value;
  if (!axes || !encoder || !showRegions.value || encoder.inputSize !== axes.origin.length) return undefined;
  const grid = Math.min(FINEST, Math.floor(Math.sqrt(LARGEST_PRODUCT / (encoder.inputSize * encoder.codeSize))));
  if (grid < 16) return undefined;
  const data = new Float32Array(grid * grid * axes.origin.length);
  for (let row = 0; row < grid; row++) {
    for (let column = 0; column < grid; column++) {
      const x = (((column + 0.5) / grid) * 2 - 1) * half;
      const y = (1 - ((row + 0.5) / grid) * 2) * half;
      data.set(lift(axes, x, y), (row * grid + column) * axes.origin.length);
    }
  }
  return inference()
    .then(api => api.winners(encoder.id, { data, shape: [grid * grid, axes.origin.length] }))
    .then(latents => ({ latents, grid }));
});

const ALPHA = { light: 36, dark: 52 };

/** The same as a picture: each region in its latent's colour, white lines where they meet. */
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
