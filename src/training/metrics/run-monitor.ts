/**
 * Watches a run: makes the live numbers after each call of the engine, and at fixed steps the records that files keep.
 */
import type { MetricRecorder } from '../metric-recorder.ts';
import type { MetricsRecord } from './metrics-record.ts';
import { type SummaryContext, summarise } from './summarise.ts';

/** A place where records go: a file, TensorBoard, a callback. */
export interface RecordSink {
  /**
   * Called before the first step with the records of all steps so far, none where the run begins. What the sink holds
   * of later steps is removed: a run wrote it after its last checkpoint.
   * @returns the same records, with what the sink knows of them besides
   */
  begin(before: readonly MetricsRecord[]): Promise<readonly MetricsRecord[]>;
  /** Adds a record and returns at once; `end` throws what goes wrong. */
  add(record: MetricsRecord): void;
  /** Waits until everything is written. */
  end(): Promise<void>;
}

/** When records are made, and where they go. */
export interface RecordOptions {
  /** Steps from one record to the next, at least 1. */
  readonly every: number;
  readonly sinks: readonly RecordSink[];
}

/** How a run is watched. */
export interface MonitorOptions extends SummaryContext {
  readonly recorder: MetricRecorder;
  readonly steps: number;
  /** How many steps are complete at the beginning. */
  readonly from: number;
  readonly records?: RecordOptions | undefined;
}

/** The numbers of a record that a person sees while the run goes on, and its pace. */
export interface LiveMetrics
  extends Pick<MetricsRecord, 'losses' | 'l0' | 'explained_variance' | 'dead' | 'dead_window'> {
  /** Samples per second of each model, since the run began or was resumed. */
  readonly rowsPerSecond: number;
  /** Seconds that the remaining steps will take at that pace. */
  readonly secondsLeft: number;
}

/** Makes a run's records and hands them to the sinks. */
export class RunMonitor {
  readonly #options: MonitorOptions;
  readonly #started = performance.now();
  /** The step of the last record. */
  #recorded: number;
  /** How many steps were complete, and the time, when the last record was made. */
  #pace: { readonly step: number; readonly time: number };

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#pace = { step: options.from, time: this.#started };
    this.#recorded = options.from - (options.from % (options.records?.every ?? 1));
  }

  /** Hands the records so far to the sinks. */
  async begin(): Promise<void> {
    const { records, from } = this.#options;
    if (!records) return;
    let before: readonly MetricsRecord[] = this.#due(0, from).map(([first, last]) => this.#summary(first, last));
    for (const sink of records.sinks) before = await sink.begin(before);
  }

  /**
   * Notes that the steps after `from` up to `to` are complete.
   * @returns the live numbers of these steps
   */
  advance(from: number, to: number): LiveMetrics {
    const { records, steps, from: began, batchSize } = this.#options;
    const now = performance.now();
    if (records) {
      const { step, time } = this.#pace;
      const rows_per_second = Math.round((1000 * (to - step) * batchSize) / Math.max(1e-3, now - time));
      for (const [first, last] of this.#due(this.#recorded, to)) {
        const record = { ...this.#summary(first, last), time: Date.now() / 1000, rows_per_second };
        for (const sink of records.sinks) sink.add(record);
        this.#recorded = last;
        this.#pace = { step: to, time: now };
      }
    }
    const { losses, l0, explained_variance, dead, dead_window } = this.#summary(from, to);
    const perSecond = (1000 * (to - began)) / Math.max(1e-3, now - this.#started);
    return {
      losses,
      ...(l0 !== undefined && { l0 }),
      ...(explained_variance !== undefined && { explained_variance }),
      ...(dead !== undefined && { dead, dead_window: dead_window! }),
      rowsPerSecond: perSecond * batchSize,
      secondsLeft: (steps - to) / perSecond,
    };
  }

  async end(): Promise<void> {
    for (const sink of this.#options.records?.sinks ?? []) await sink.end();
  }

  #summary(from: number, to: number): MetricsRecord {
    return summarise(this.#options.recorder, from, to, this.#options);
  }

  /**
   * The steps [after, up to] of each record that ends after `from` and not after `to`: at each whole multiple of
   * `every`, and at the last step.
   */
  #due(from: number, to: number): [number, number][] {
    const { records, steps } = this.#options;
    const { every } = records!;
    const due: [number, number][] = [];
    for (let first = from - (from % every); first < to; first += every) {
      const last = Math.min(first + every, steps);
      if (last > from && last <= to) due.push([first, last]);
    }
    return due;
  }
}
