/** A text through a language model with an autoencoder spliced into it: what is asked, and what comes out, as plain values. */

/** A spliced model that is open. */
export interface SplicedText {
  readonly id: string;
  readonly name: string;
  /** The tensor that the autoencoder reads. */
  readonly tensor: string;
  readonly dSae: number;
  /** Whether the model has an input that is added to the features. */
  readonly canSteer: boolean;
}

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
  /** What comes after each token; none where the model gives no logits. */
  readonly next: readonly (readonly Prediction[])[];
  /** The same with the additions in force; undefined where there are none. */
  readonly steered: readonly (readonly Prediction[])[] | undefined;
}
