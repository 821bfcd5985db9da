/**
 * Where a shard's arrays lie: sizes and byte addresses, set once from outside before anything else runs.
 * AssemblyScript; every row of `width` floats starts on a multiple of 16 bytes, and its padding is zero.
 */

/** Rows of a batch. */
export const batch: i32 = 0;
/** Latents that this shard owns. */
export const latents: i32 = 0;
/** Columns of `preActivations`: `latents` rounded up; the columns beyond them have a negative bias, so none is selected. */
export const columns: i32 = 0;
/** d_in rounded up to a multiple of 4. */
export const width: i32 = 0;

/** [batch, width] activations minus b_dec. */
export const centred: usize = 0;
/** [batch, columns] centred activations times encoder rows, b_enc not yet added. */
export const preActivations: usize = 0;
/** [batch, width] first this shard's part of the reconstruction, then the loss's gradient with respect to the whole one. */
export const gradients: usize = 0;

/** Decoder rows [latents, width] with Adam's moments, and one over each row's norm [latents]. */
export const decoder: usize = 0;
export const decoderM: usize = 0;
export const decoderV: usize = 0;
export const inverseNorms: usize = 0;

/** Encoder rows [columns, width], a latent's weights side by side, with Adam's moments. */
export const encoder: usize = 0;
export const encoderM: usize = 0;
export const encoderV: usize = 0;

/** b_enc [columns] and b_dec [width] with Adam's moments. */
export const encoderBias: usize = 0;
export const encoderBiasM: usize = 0;
export const encoderBiasV: usize = 0;
export const decoderBias: usize = 0;
export const decoderBiasM: usize = 0;
export const decoderBiasV: usize = 0;
/** [width] this shard's part of the gradient of b_dec. */
export const decoderBiasGradient: usize = 0;

/** Active entries in row-major order: batch row, latent (both int32) and activation (float32). */
export const entryRows: usize = 0;
export const entryLatents: usize = 0;
export const entryValues: usize = 0;
/** [batch + 1] first entry of each row, int32. */
export const rowStarts: usize = 0;

/** [latents + 1] and [entries]: the entries again, sorted by latent, int32. */
export const latentStarts: usize = 0;
export const latentEntries: usize = 0;

/** Scratch: addresses of rows and their factors, and one row of `width`. */
export const termRows: usize = 0;
export const termFactors: usize = 0;
export const termDots: usize = 0;
export const sumRow: usize = 0;
/** Scratch: numbers among which the n-th largest is sought. */
export const ranked: usize = 0;

/** Selections of all shards, for merging: [shards, batch + 1] int32 and [shards, mergedCapacity] float32. */
export const mergedStarts: usize = 0;
export const mergedValues: usize = 0;
export const mergedCapacity: i32 = 0;
