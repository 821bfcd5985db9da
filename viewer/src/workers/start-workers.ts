/** Starts the workers of the site: files of their own, beside the page. The single file swaps this module for its inlined twin. */
import AnalysisWorker from './analysis.worker.ts?worker';
import InferenceWorker from './inference.worker.ts?worker';
import RowsWorker from './rows.worker.ts?worker';
import TrainingWorker from './training.worker.ts?worker';

/** Starts the analysis worker. */
export const startAnalysisWorker = (): Worker => new AnalysisWorker({ name: 'analysis' });
/** Starts an inference worker. */
export const startInferenceWorker = (): Worker => new InferenceWorker({ name: 'inference' });
export const startRowsWorker = (): Worker => new RowsWorker({ name: 'rows' });
export const startTrainingWorker = (): Worker => new TrainingWorker({ name: 'training' });
