/** `monosemantic/features`: reading feature bundles, in browsers and Node. */
export type { BundleManifest, BundleSettings, BundleStatistics } from './bundle-manifest.ts';
export type { BundleLocation, BundleSource } from './bundle-source.ts';
export type { Explanation } from './explanations.ts';
export {
  type FeatureBundle,
  type FeatureData,
  type FeatureExample,
  type FeatureInterval,
  type FeatureOverview,
  openFeatureBundle,
  type TokenLogit,
  type TokenTable,
} from './open-bundle.ts';
export type { Rule } from './rule.ts';
