/** Starts the workers of the single file: their code is in the page, and they start from a blob. */
import AnalysisWorker from './analysis.worker.ts?worker&inline';
import InferenceWorker from './inference.worker.ts?worker&inline';
import RowsWorker from './rows.worker.ts?worker&inline';
import TrainingWorker from './training.worker.ts?worker&inline';

/** Starts the analysis worker. */
export const startAnalysisWorker = (): Worker => new AnalysisWorker({ name: 'analysis' });
/** Starts an inference worker. */
export const startInferenceWorker = (): Worker => new InferenceWorker({ name: 'inference' });
/** Starts an inference worker whose ONNX Runtime has no GPU. */
export const startRowsWorker = (): Worker => new RowsWorker({ name: 'rows' });
/** Starts the training worker. */
export const startTrainingWorker = (): Worker => new TrainingWorker({ name: 'training' });
