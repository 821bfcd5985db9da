/**
 * The questions and answers about a text that is run through a language model with an autoencoder spliced into it, as
 * plain values.
 */

/** A language model with an autoencoder spliced into it, as the page knows it once it is open. */
export interface SplicedText {
  readonly id: string;
  readonly name: string;
  /** The tensor that the autoencoder reads. */
  readonly tensor: string;
  readonly dSae: number;
  /** Whether the model has an input that is added to the features. */
  readonly canSteer: boolean;
}

/** A text to run, and what to add to latents while it runs. */
export interface TextRequest {
  readonly model: string;
  readonly text: string;
  /** What is added to latents at every token. */
  readonly added: readonly { readonly latent: number; readonly value: number }[];
}

/** A token that may come next, and how likely it is. */
export interface Prediction {
  readonly token: string;
  readonly share: number;
}

/** What the model made of a text. */
export interface TextReading {
  readonly tokens: readonly string[];
  /** Latents that fire on each token, strongest first, before anything is added. */
  readonly latents: readonly { readonly latents: Int32Array; readonly values: Float32Array }[];
  /** The likeliest next tokens after each token; empty where the model gives no logits. */
  readonly next: readonly (readonly Prediction[])[];
  /** The likeliest next tokens with the additions to latents in force; undefined where nothing is added. */
  readonly steered: readonly (readonly Prediction[])[] | undefined;
}
