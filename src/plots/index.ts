/** Figures as data, and drawing them with a document: all of it runs in a browser. Node's parts are in `node.ts`. */
export { drawFigure } from './draw.ts';
export {
  type DirectionSnapshot,
  type DirectionSnapshotsOptions,
  type FeatureDirectionsOptions,
  plotDirectionSnapshots,
  plotFeatureDirections,
} from './feature-directions.ts';
export type * from './figure.ts';
export type { Numbers } from './matrices.ts';
