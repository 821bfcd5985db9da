/**
 * Starts the workers of the site, which are files beside the page. The build of the single file puts
 * start-workers-inline.ts in the place of this module.
 */
import AnalysisWorker from './analysis.worker.ts?worker';
import InferenceWorker from './inference.worker.ts?worker';
import RowsWorker from './rows.worker.ts?worker';
import TrainingWorker from './training.worker.ts?worker';

/** Starts the analysis worker. */
export const startAnalysisWorker = (): Worker => new AnalysisWorker({ name: 'analysis' });
/** Starts an inference worker. */
export const startInferenceWorker = (): Worker => new InferenceWorker({ name: 'inference' });
/** Starts an inference worker whose ONNX Runtime has no GPU. */
export const startRowsWorker = (): Worker => new RowsWorker({ name: 'rows' });
/** Starts the training worker. */
export const startTrainingWorker = (): Worker => new TrainingWorker({ name: 'training' });
