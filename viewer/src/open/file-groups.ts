/**
 * Sorts files that were opened together: models with the files that belong to each, activations, labels, and files of
 * no use here.
 */

/** A file and the folder that it was in; '' where it came alone. */
export interface PlacedFile {
  readonly file: File;
  readonly folder: string;
}

/** An .onnx file with the files that belong to it. */
export interface OnnxGroup {
  readonly type: 'onnx';
  readonly name: string;
  readonly file: File;
  readonly beside: Readonly<Record<string, Blob>>;
  readonly history: File | undefined;
}

/** A checkpoint in another project's format. */
export interface FolderGroup {
  readonly type: 'folder';
  readonly name: string;
  readonly files: Readonly<Record<string, Blob>>;
}

/** Files by their use. */
export interface Groups {
  readonly models: readonly (OnnxGroup | FolderGroup)[];
  /** Folders with bundle.json: feature pages. */
  readonly bundles: readonly { readonly name: string; readonly files: readonly File[] }[];
  readonly activations: readonly File[];
  /** A tokenizer.json with the tokenizer_config.json beside it. */
  readonly tokenizers: readonly { readonly file: File; readonly config: File | undefined }[];
  /** Files of labels, tokens, or a history, which only their content tells apart. */
  readonly texts: readonly File[];
  readonly others: readonly File[];
}

const extension = (name: string): string => /\.(\w+)$/.exec(name.toLowerCase())?.[1] ?? '';
const stem = (name: string): string => name.replace(/(\.history)?\.\w+$/, '');

/** Extensions of files in a run's folder that are of no use here, such as pictures, notes and checkpoints. */
const PASSED_OVER = new Set(['png', 'svg', 'html', 'md', 'log', 'checkpoint', 'yaml', 'yml', 'lock', 'tmp']);
/** JSON of a run that is neither history nor labels. */
const RECORDS = /^(run|sae|toy-model|metrics|durations|package|sae_training_config|runner_cfg|sparsity)\.json$/i;
/** Tensors of a SAELens folder that are not its weights. */
const SIDE_TENSORS = /^(sparsity|optimizer|trainer_state|activations_store_state)/i;

const last = (path: string): string => path.split('/').at(-1)!;

/** Sorts files by their use. Within a folder, files belong together by their names and by lying beside each other. */
export function groupFiles(files: readonly PlacedFile[]): Groups {
  const folders = new Map<string, File[]>();
  for (const { file, folder } of files) folders.set(folder, [...(folders.get(folder) ?? []), file]);
  const models: (OnnxGroup | FolderGroup)[] = [];
  const bundles: { name: string; files: readonly File[] }[] = [];
  const activations: File[] = [];
  const tokenizers: { file: File; config: File | undefined }[] = [];
  const texts: File[] = [];
  const others: File[] = [];

  for (const [folder, inside] of folders) {
    if (inside.some(({ name }) => name === 'bundle.json')) {
      bundles.push({ name: last(folder) || 'bundle', files: inside });
      continue;
    }
    const onnx = inside.filter(({ name }) => extension(name) === 'onnx');
    const taken = new Set<File>(onnx);
    // A model names the files that hold its tensors, so that any file that is no model may be one of them.
    const beside = inside.filter(
      ({ name }) => /\.(data|onnx_data|bin|weight)$/i.test(name) || /\.onnx[._]data/i.test(name),
    );
    for (const file of beside) taken.add(file);
    const histories = inside.filter(({ name }) => /(^|\.)history\.json$/i.test(name));
    for (const file of onnx) {
      const own = histories.find(({ name }) => stem(name) === stem(file.name));
      const general = histories.find(({ name }) => name === 'history.json');
      // A run's folder holds one history. Which of its models the history is about shows in its shape.
      const history = own ?? general;
      if (history) taken.add(history);
      const named = Object.fromEntries(beside.map(other => [other.name, other]));
      models.push({ type: 'onnx', name: file.name, file, beside: named, history });
    }

    const config = inside.find(({ name }) => name === 'cfg.json' || name === 'config.json');
    const tensors = inside.filter(({ name }) => extension(name) === 'safetensors' && !SIDE_TENSORS.test(name));
    const gemma = inside.filter(
      ({ name }) => name.toLowerCase() === 'params.npz' || name.toLowerCase() === 'params.safetensors',
    );
    if ((config && tensors.length > 0) || gemma.length > 0) {
      const members = inside.filter(
        ({ name }) => ['safetensors', 'json', 'npz', 'onnx'].includes(extension(name)) && extension(name) !== 'onnx',
      );
      for (const member of members) taken.add(member);
      const useful = members.filter(({ name }) => !SIDE_TENSORS.test(name));
      const name = last(folder) || (config ? 'SAELens autoencoder' : 'Gemma Scope autoencoder');
      models.push({ type: 'folder', name, files: Object.fromEntries(useful.map(file => [file.name, file])) });
    }
    const tokenizer = inside.find(({ name }) => name.toLowerCase() === 'tokenizer.json');
    const itsConfig = inside.find(({ name }) => name.toLowerCase() === 'tokenizer_config.json');
    if (tokenizer) {
      tokenizers.push({ file: tokenizer, config: itsConfig });
      taken.add(tokenizer);
      if (itsConfig) taken.add(itsConfig);
    }
    for (const file of inside) {
      if (taken.has(file)) continue;
      const kind = extension(file.name);
      if (kind === 'npy' || kind === 'safetensors') activations.push(file);
      else if (PASSED_OVER.has(kind) && folder !== '') continue;
      else if (kind === 'json' && RECORDS.test(file.name) && (onnx.length > 0 || config)) continue;
      else if (['json', 'csv', 'txt', 'tsv'].includes(kind)) texts.push(file);
      else others.push(file);
    }
  }
  return { models, bundles, activations, tokenizers, texts, others };
}
