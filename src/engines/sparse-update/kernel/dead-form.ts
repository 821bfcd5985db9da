/** How the gradients of dead latents are found in a step. */

/** There are none. */
export const NO_DEAD: i32 = 0;
/** From their entries, as those of active latents. */
export const DEAD_BY_ENTRIES: i32 = 1;
/** By products of matrices with a column for each dead latent (dead.ts). */
export const DEAD_BY_PRODUCTS: i32 = 2;
