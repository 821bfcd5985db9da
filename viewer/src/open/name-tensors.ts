/** Opens an .onnx file of another project that does not say which tensor is what, by names that the person gives. */
import { signal } from '@preact/signals';
import type { SaeNames } from '../../../src/inference/model-options.ts';
import { alertText, fail, sentenceOf } from '../state/notices.ts';
import type { TensorCandidates } from '../workers/inference-api.ts';
import { inference } from '../workers/inference-client.ts';
import type { OnnxGroup } from './file-groups.ts';
import { keepModel } from './kept-models.ts';
import { busy, goToModel, openModelFile } from './opening.ts';

/** A file whose tensors are to be named, and the tensors to choose from. */
export interface Unnamed {
  readonly group: OnnxGroup;
  readonly candidates: TensorCandidates;
}

/** The file whose tensors are to be named; undefined while there is none. */
export const unnamed = signal<Unnamed | undefined>(undefined);

/** Asks for the names of a file's tensors, where `error` says that they are what was missing. */
export async function askForNames(group: OnnxGroup, error: unknown): Promise<void> {
  if (!/features|reconstruction|input|kind/i.test(sentenceOf(error))) return;
  const candidates = await (await inference()).candidates(group.file, group.name).catch(() => undefined);
  // Without at least two computed tensors and an input there is nothing to choose from.
  if (!candidates || candidates.computed.length < 2 || candidates.inputs.length === 0) return;
  unnamed.value = { group, candidates };
}

/** Opens the file by the names that the person gave. Where they do not fit, an alert says why and the form stays. */
export async function openByNames({ group }: Unnamed, names: SaeNames): Promise<void> {
  const { name, file, beside } = group;
  alertText.value = undefined;
  try {
    await busy(name, async () => {
      const given: SaeNames = { kind: 'sparse-autoencoder', ...names };
      const model = await openModelFile({ name, source: { type: 'file' }, file, beside, names: given }, true);
      unnamed.value = undefined;
      goToModel(model);
      await keepModel(model, { name, file, beside, names: given });
    });
  } catch (error) {
    fail(`${name} could not be opened by these names`, error);
  }
}
