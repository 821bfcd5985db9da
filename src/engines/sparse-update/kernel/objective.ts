// biome-ignore-all lint/style/useConst: these are set from outside the module.
/** What a step minimises and which form its decoder has: numbers that are set once, and those that change with the step. */

/** Whether the part of a decoder row's gradient along the row is taken out: all forms but the free one. */
export let projects: i32 = 0;
/** Whether decoder rows are scaled to norm 1 after the step. */
export let renormalises: i32 = 0;
/** Whether `norms` is kept up to date. */
export let keepsNorms: i32 = 0;
/** Derivative of the loss with respect to f · ‖W_dec‖ of an active entry: the L1 weight over the batch. */
export let l1: f32 = 0;
/** Derivative of the loss with respect to [z > θ] of an entry: the L0 weight over the batch. */
export let l0: f32 = 0;
/** ε of the estimated gradients at a threshold; 0 where thresholds are not trained. */
export let bandwidth: f32 = 0;
/** Whether those estimates reach the pre-activation. */
export let reachesInput: i32 = 0;
/** Whether latents are chosen by z · ‖W_dec‖. */
export let weighsByNorm: i32 = 0;
/** Largest number that a byte of the batch stands for; 0 where there are no bytes. */
export let byteReach: f32 = 0;
