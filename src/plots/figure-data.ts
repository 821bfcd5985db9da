/** Figures as data, which the experiments make. Nothing here needs a package that draws. */
export { plotCosineHeatMap } from './cosine-heat-map.ts';
export { type FeatureAnalysisOptions, plotFeatureAnalysis } from './feature-analysis.ts';
export {
  type DirectionSnapshot,
  type DirectionSnapshotsOptions,
  type FeatureDirectionsOptions,
  plotDirectionSnapshots,
  plotFeatureDirections,
} from './feature-directions.ts';
export { type FeatureGeometryPoint, plotFeatureGeometry } from './feature-geometry.ts';
export type * from './figure.ts';
export type { Numbers } from './matrices.ts';
export {
  type PhaseBoundary,
  type PhaseDiagram,
  type PhaseDiagramOptions,
  plotPhaseDiagram,
  superpositionBoundary,
} from './phase-diagram.ts';
export { type PlotlyFigure, type PlotlyObject, toPlotly } from './plotly.ts';
export {
  plotRecovery,
  plotRecoveryRates,
  type RecoveryOptions,
  type RecoveryRate,
  type RecoverySeries,
} from './recovery.ts';
export { plotScaling, type ScalingOptions, type ScalingSeries } from './scaling.ts';
export { plotSettingEffect, type SettingEffectOptions, type SettingSeries } from './setting-effect.ts';
export { plotSparsitySweep, type SparsitySweepOptions, type SparsitySweepSeries } from './sparsity-sweep.ts';
export { plotTrainingCurves, type TrainingCurve, type TrainingCurvesOptions } from './training-curves.ts';
