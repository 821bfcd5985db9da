// biome-ignore-all lint/style/useConst: these are set from outside the module.
/**
 * Where a shard's arrays lie: sizes and byte addresses, set once from outside before anything else runs.
 * AssemblyScript; every row of `width` floats starts on a multiple of 16 bytes, and its padding is zero.
 */

/** Rows of a batch. */
export let batch: i32 = 0;
/** Latents that this shard owns. */
export let latents: i32 = 0;
/** Columns of `preActivations`: `latents` rounded up; the columns beyond them have a negative bias, so none is selected. */
export let columns: i32 = 0;
/** d_in rounded up to a multiple of 4. */
export let width: i32 = 0;
/** Rows of a batch rounded up to a multiple of 16: what there is room for where samples lie side by side. */
export let samples: i32 = 0;

/** [batch, width] activations minus b_dec. */
export let centred: usize = 0;
/** [batch, columns] centred activations times encoder rows, b_enc not yet added. */
export let preActivations: usize = 0;
/** Prefixes that must reconstruct, the whole among them: more than 1 for Matryoshka alone. */
export let prefixes: i32 = 1;
/** [columns] int32: how many prefixes shorter than the whole hold each latent; of no account where the whole is the only one. */
export let depths: usize = 0;
/**
 * [prefixes, batch, width] first this shard's part of the reconstruction, that of latents of depth 0, 1, …; then the loss's gradient with respect
 * to what a latent of that depth gives. Where the whole is the only prefix: with respect to the reconstruction.
 */
export let gradients: usize = 0;
/** [prefixes] float64: sums of squared errors of the whole, of the longest shorter prefix, …; and room for one row of `width`. */
export let squaredErrors: usize = 0;
export let prefixRow: usize = 0;

/** Decoder rows [latents, width] with Adam's moments. */
export let decoder: usize = 0;
export let decoderM: usize = 0;
export let decoderV: usize = 0;
/** [columns] what makes W_dec of each decoder row: one over its norm, or 1. */
export let inverseNorms: usize = 0;
/** [columns] norms of the decoder's rows, where the loss or the choice asks for them. */
export let norms: usize = 0;

/** Encoder rows [columns, width], a latent's weights side by side, with Adam's moments. */
export let encoder: usize = 0;
export let encoderM: usize = 0;
export let encoderV: usize = 0;

/**
 * 8-bit copies of what is multiplied (estimate.ts): the encoder's rows [columns, width], zero as 128, and the centred batch, turned
 * [width, samples], zero as 0.
 */
export let encoderBytes: usize = 0;
export let activationBytes: usize = 0;
/** [columns] of each encoder row, and [samples] of each sample: what a byte counts, the norm, and the norm of what the bytes miss. */
export let latentScales: usize = 0;
export let latentNorms: usize = 0;
export let latentErrors: usize = 0;
export let rowScales: usize = 0;
export let rowNorms: usize = 0;
export let rowErrors: usize = 0;
/** The most that each pre-activation can be, int16 [columns, samples]; for each sample [samples] how many there are in 1, and what one of them is. */
export let most: usize = 0;
export let mostScales: usize = 0;
export let mostSteps: usize = 0;
/** Scratch: int16 [samples], what the most that a candidate can be is above. */
export let leastOfMost: usize = 0;
/** [samples] bounds that no active latent of a sample lies below: of all shards, and those that this one knows by itself. */
export let bounds: usize = 0;
export let ownBounds: usize = 0;
/** [pools, samples] the largest lower bound of each pool of latents. */
export let byteMaxima: usize = 0;
/** Scratch: the bytes of 16 samples [16, width]. */
export let byteTile: usize = 0;
/** What may be active: row, latent (both int32) and activation (float32). */
export let candidateRows: usize = 0;
export let candidateLatents: usize = 0;
export let candidateValues: usize = 0;
/** [most, width] encoder and decoder rows of dead latents, side by side; and in their place the rows' gradients, where products give these. */
export let deadEncoder: usize = 0;
export let deadDecoder: usize = 0;
/** [most] what makes W_dec of each of these decoder rows, and gradients of b_enc. */
export let deadInverseNorms: usize = 0;
export let deadBiasGradients: usize = 0;

/** [columns] what is added to a pre-activation when latents are chosen: b_enc, or zeros where it has been added already. */
export let scoreBias: usize = 0;

/** Thresholds [columns] with Adam's moments, for those chosen by threshold, and below which a pre-activation is of no account. */
export let thresholds: usize = 0;
export let thresholdsM: usize = 0;
export let thresholdsV: usize = 0;
export let lowest: usize = 0;

/** b_enc [columns] and b_dec [width] with Adam's moments. */
export let encoderBias: usize = 0;
export let encoderBiasM: usize = 0;
export let encoderBiasV: usize = 0;
export let decoderBias: usize = 0;
export let decoderBiasM: usize = 0;
export let decoderBiasV: usize = 0;
/** [width] this shard's part of the gradient of b_dec. */
export let decoderBiasGradient: usize = 0;

/** Active entries in row-major order: batch row, latent (both int32) and activation (float32). */
export let entryRows: usize = 0;
export let entryLatents: usize = 0;
export let entryValues: usize = 0;
/** [batch + 1] first entry of each row, int32. */
export let rowStarts: usize = 0;

/** Entries of dead latents, as the active ones lie, for the auxiliary loss; [batch, width] that loss's gradient. */
export let deadRows: usize = 0;
export let deadLatents: usize = 0;
export let deadValues: usize = 0;
export let deadRowStarts: usize = 0;
export let deadLatentStarts: usize = 0;
export let deadLatentEntries: usize = 0;
export let deadGradients: usize = 0;
/** [latents] float32, how long each latent has been silent; its share of the last window's samples, and how many of this one's; [latents] int32, the dead ones. */
export let silent: usize = 0;
export let firingRate: usize = 0;
export let fired: usize = 0;
export let dead: usize = 0;

/** [batch, columns] products of whole matrices, where that many latents are active; sums over the batch of each latent [columns]. */
export let products: usize = 0;
export let alongs: usize = 0;
export let valueSums: usize = 0;

/** Gradients that are kept until all are known: rows [columns, width], and [columns] of b_enc and of the thresholds. */
export let decoderGradients: usize = 0;
export let encoderGradients: usize = 0;
export let encoderBiasGradients: usize = 0;
export let thresholdGradients: usize = 0;

/** [latents] number of steps, int32, that each latent's second moments have seen. */
export let latentSteps: usize = 0;

/** [latents + 1] and [entries]: the entries again, sorted by latent, int32. */
export let latentStarts: usize = 0;
export let latentEntries: usize = 0;

/** Scratch: addresses of rows and their factors, and two rows of `width`. */
export let termRows: usize = 0;
export let termFactors: usize = 0;
export let termDots: usize = 0;
export let sumRow: usize = 0;
export let encoderRow: usize = 0;
/** Scratch: four maxima of each segment of a row of pre-activations. */
export let maxima: usize = 0;
/** Scratch: numbers among which the n-th largest is sought. */
export let ranked: usize = 0;

/** Selections of all shards, for merging: [shards, batch + 1] int32 and [shards, mergedCapacity] float32. */
export let mergedStarts: usize = 0;
export let mergedValues: usize = 0;
export let mergedCapacity: i32 = 0;
