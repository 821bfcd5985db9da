/** The page's end of the analysis worker. */
import { type Remote, wrap } from 'comlink';
import type { AnalysisApi } from './analysis-api.ts';
import { startAnalysisWorker } from './start-workers.ts';

let started: Remote<AnalysisApi> | undefined;

/** The worker, started on first use. */
export function analysis(): Remote<AnalysisApi> {
  started ??= wrap<AnalysisApi>(startAnalysisWorker());
  return started;
}
