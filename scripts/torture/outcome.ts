/** The options and the outcome of a torture. Each torture is a file beside this one, and listed in ../torture.ts. */

/** The options of a torture. */
export interface TortureOptions {
  /** Wall-clock seconds to spend; some cases are always run. */
  readonly seconds: number;
  /** The seed of everything random. */
  readonly seed: number;
  /** Damaged files in all; undefined: as many as the time allows. */
  readonly files: number | undefined;
  /** Kills of training runs in all; undefined: a few. */
  readonly kills: number | undefined;
  /** A Python with numpy, safetensors, onnx and onnxruntime; undefined: nothing is compared. */
  readonly python: string | undefined;
  /** Keeps something that shows a breach, and gives its path. */
  keep(name: string, bytes: Uint8Array | string): Promise<string>;
  /** Says how far it is. */
  progress(line: string): void;
}

/** Something that must not happen. */
export interface Breach {
  /** What was done, so that it can be done again: the kind, the seed. */
  readonly cause: string;
  readonly problem: string;
}

/** A row of the table. */
export interface Outcome {
  readonly what: string;
  readonly cases: number;
  /** The result in words. */
  readonly result: string;
  readonly breaches: readonly Breach[];
}

/** A torture: its name, its share of the time, and how it is run. */
export interface Torture {
  readonly name: string;
  /** Its share of the time, in parts. */
  readonly share: number;
  run(options: TortureOptions): Promise<readonly Outcome[]>;
}
