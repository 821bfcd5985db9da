/** Figures as data, and drawing them with a document: all of it runs in a browser. Node's parts are in `node.ts`. */
export { drawFigure } from './draw.ts';
export * from './figure-data.ts';
