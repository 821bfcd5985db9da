/** The technical words of the page, each with its explanation in a sentence or two, which is shown where the word stands. */
export const GLOSSARY = {
  superposition:
    'A network stores more features than it has dimensions by giving each a direction of its own that is not at a right angle to the others. It works while few features are present at once.',
  feature: 'Something the input may have or lack: here a number between 0 and 1, and 0 most of the time.',
  sparsity: 'The probability that a feature is absent. At 0.9 nine in ten are 0, so two rarely meet.',
  dimension:
    'One number of the hidden layer. Two dimensions are a plane: a point in it is all that the model keeps of its input.',
  interference: 'What one feature adds to another’s output because their directions are not at a right angle.',
  digon: 'Two features that share a line and point opposite ways: while only one is present, the sign tells which.',
  autoencoder:
    'A network that rebuilds its own input. A sparse one (SAE) may use only a few of many latents each time, so each tends to stand for one thing.',
  latent:
    'One of the numbers that a sparse autoencoder writes an input down with. Each has a direction that is added to the reconstruction as strongly as the latent fires.',
  activation:
    'A vector that a network’s layer produces for one input: what the autoencoder sees. Of a latent: how strongly it fires.',
  b_dec: 'The point that an autoencoder’s reconstruction starts from, before any latent adds its direction.',
  seed: 'The number that random choices are drawn from: the same seed gives the same training.',
  l0: 'How many latents fire on a row, on average.',
  density: 'The share of rows on which a latent fires.',
  'explained variance':
    'One minus the squared error of the reconstruction over the squared distance of the rows from their mean. 1 is perfect; 0 is no better than the mean.',
  sink: 'A row whose norm is more than ten times the median. A few of them can hide what happens to all the others.',
  silent:
    'A latent that fired on none of the rows that were run. With more rows it may fire: that is why it is not called dead.',
  cosine: 'How alike two directions are: 1 the same, 0 at a right angle, −1 opposite.',
  'co-activation':
    'Pearson’s correlation of two latents’ activations over the rows: 1 where they always fire together in proportion.',
  jaccard: 'Of the rows on which either of two latents fires, the share on which both do.',
  f1: 'How well a latent detects a label: the harmonic mean of its precision and recall. 1 is a perfect detector.',
  topk: 'The k latents that fire most strongly stay; all others are set to 0.',
  relu: 'A latent fires where its pre-activation is above 0; a penalty on the sum (L1) keeps most at 0.',
  batchtopk: 'TopK over a whole batch: k latents a row on average, more for rows that need them.',
  jumprelu: 'A latent fires where its pre-activation is above a threshold of its own.',
  pca: 'Principal components: the directions along which a cloud of points spreads most.',
  loss: 'What training makes small: the mean squared difference of input and reconstruction, and any penalty.',
  duplicate: 'A latent that points where another latent already does.',
  mixture: 'A latent that is no feature’s own: it points between features, or along one that has not been found.',
  matched: 'A latent that is some feature’s own: nearest to it, beyond the threshold.',
  ablate: 'Setting a latent to 0 whatever the encoder says, to see what depends on it.',
  pin: 'Holding a latent at a value whatever the encoder says: steering.',
} as const;

/** The name of a word that the glossary explains. */
export type TermId = keyof typeof GLOSSARY;
