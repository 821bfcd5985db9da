/** What every kind of torture takes and gives: one file each beside this one, listed in ../torture.ts. */

export interface TortureOptions {
  /** Wall-clock seconds to spend; some cases are always run. */
  readonly seconds: number;
  /** Everything random is drawn from it. */
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
  /** What came of them, in words. */
  readonly result: string;
  readonly breaches: readonly Breach[];
}

export interface Torture {
  readonly name: string;
  /** Its share of the time, in parts. */
  readonly share: number;
  run(options: TortureOptions): Promise<readonly Outcome[]>;
}
