/** The page's end of the analysis worker. */
import type { AnalysisApi } from './analysis-api.ts';
import { type Remote, remote } from './remote.ts';
import { startAnalysisWorker } from './start-workers.ts';

let started: Remote<AnalysisApi> | undefined;

/**
 * The worker, started on first use. A worker that died is not started again: what it held is lost, and only opening the
 * page anew brings it back.
 */
export function analysis(): Remote<AnalysisApi> {
  started ??= remote<AnalysisApi>(startAnalysisWorker(), 'the worker for directions and statistics', () => {});
  return started;
}
