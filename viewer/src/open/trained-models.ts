/** Opens models that were trained on this page. */
import type { History, Model } from '../data/model.ts';
import { keepModel } from './kept-models.ts';
import { busy, openModelFile } from './opening.ts';

/** Opens a trained model, and keeps it in this browser. */
export async function openTrained(name: string, bytes: Uint8Array<ArrayBuffer>, history: History): Promise<Model> {
  const file = new Blob([bytes]);
  return busy(name, async () => {
    const model = await openModelFile({ name, source: { type: 'trained' }, file, history }, true);
    await keepModel(model, { name: `${name}.onnx`, file, beside: {} });
    return model;
  });
}
