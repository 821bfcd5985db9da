/** `monosemantic/files`: arrays in .npy, .npz, .safetensors, JSON and CSV, from and to bytes; and, in Node, from and to disk. */
export {
  type ArrayWriter,
  openCsvWriter,
  openJsonWriter,
  openNpyWriter,
  openNpzWriter,
  openSafetensorsWriter,
} from './array-writers.ts';
export { readCsv, writeCsv } from './csv.ts';
export type { Elements, ElementType, FileTensor } from './element-type.ts';
export { readJsonArray } from './json-array.ts';
export { readNpy, writeNpy } from './npy.ts';
export { readNpz } from './npz.ts';
export { openRowSource, type RowSource, type RowSourceOptions } from './row-source.ts';
export { readSafetensors, type Safetensors, writeSafetensors } from './safetensors.ts';
