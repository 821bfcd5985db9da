/** A bundle's labels as explanations, to take elsewhere: what was imported, and the rules that describe latents well. */
import type { Explanation } from './explanations.ts';
import type { FeatureBundle } from './open-bundle.ts';

/**
 * The imported explanations, then each latent's rule with its F1 on held-out rows as the score.
 * @param least rules with a lower F1 are left out. Default .5
 */
export async function explanationsOfBundle(bundle: FeatureBundle, least = 0.5): Promise<Explanation[]> {
  const { rule, ruleF1 } = await bundle.overview();
  const rules = await bundle.rules();
  const explanations = [...(await bundle.explanations())];
  for (const [latent, number] of rule.entries()) {
    const score = ruleF1[latent]!;
    const { kind, text } = rules[number] ?? { kind: 'always' };
    if (kind !== 'always' && score >= least) explanations.push({ latent, text, method: 'rule, held-out F1', score });
  }
  return explanations;
}
