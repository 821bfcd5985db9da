/**
 * The options of a SAELens cfg.json: those that change what the SAE computes, and those that only record how it was
 * trained. SAELens ignores keys that it does not know; here only keys on these lists are ignored.
 */
import { FileFormatError } from '../errors.ts';
import { shown } from '../files/json-text.ts';
import type { SaeArchitecture } from '../models/frozen-sae.ts';
import type { ActivationNormalization } from '../models/normalisation.ts';
import { type Config, type ReadOptions, readFlag, refuseUnknownOptions, requireDimension } from './sae-checkpoint.ts';

/** A SAELens config without its records of training. */
export interface SaelensConfig {
  readonly architecture: SaeArchitecture;
  readonly transcoder: boolean;
  readonly skip: boolean;
  /** Whether it is a checkpoint of BatchTopK or Matryoshka training that was not saved for inference. */
  readonly batchTopK: boolean;
  readonly dIn: number;
  readonly dSae: number;
  readonly dOut: number;
  readonly k: number | undefined;
  readonly applyBDecToInput: boolean;
  readonly normalizeActivations: ActivationNormalization | 'expected_average_only_in' | 'covariance_whitening';
  readonly rescaleActsByDecoderNorm: boolean;
  /** Whether the SAE reads a hook_z: the heads of an attention layer, flattened. */
  readonly reshapesHeads: boolean;
  readonly scalesFeatures: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}

interface Architecture {
  readonly architecture: SaeArchitecture;
  readonly transcoder?: true;
  readonly skip?: true;
  readonly batchTopK?: true;
}

const architectures: Readonly<Record<string, Architecture>> = {
  standard: { architecture: 'standard' },
  topk: { architecture: 'topk' },
  jumprelu: { architecture: 'jumprelu' },
  gated: { architecture: 'gated' },
  transcoder: { architecture: 'standard', transcoder: true },
  skip_transcoder: { architecture: 'standard', transcoder: true, skip: true },
  jumprelu_transcoder: { architecture: 'jumprelu', transcoder: true },
  jumprelu_skip_transcoder: { architecture: 'jumprelu', transcoder: true, skip: true },
  batchtopk: { architecture: 'jumprelu', batchTopK: true },
  matryoshka_batchtopk: { architecture: 'jumprelu', batchTopK: true },
};

/** Architectures of SAELens that the frozen form cannot hold, and why. */
const notHeld: Readonly<Record<string, string>> = {
  abstopk: 'it keeps negative features, which the frozen form has not',
  matching_pursuit: 'its features come one after another, each from what the others left, which is no single product',
  temporal: 'its features depend on the positions before, and the frozen form takes samples one by one',
};

/** SAELens's name of an architecture; `undefined` where it has none (a topk transcoder). */
export function saelensArchitecture(sought: {
  architecture: SaeArchitecture;
  transcoder: boolean;
  skip: boolean;
}): string | undefined {
  return Object.entries(architectures).find(
    ([, { architecture, transcoder = false, skip = false, batchTopK = false }]) =>
      architecture === sought.architecture && transcoder === sought.transcoder && skip === sought.skip && !batchTopK,
  )?.[0];
}

const inferenceOptions =
  'architecture d_in d_sae d_out k dtype device apply_b_dec_to_input normalize_activations reshape_activations ' +
  'rescale_acts_by_decoder_norm metadata';

/** Fields of SAELens's TrainingSAEConfig classes: they shape the loss and the start, not the trained function. */
const trainingOptions =
  'decoder_init_norm l1_coefficient lp_norm l1_warm_up_steps aux_loss_coefficient use_sparse_activations topk_threshold_lr ' +
  'matryoshka_widths use_matryoshka_aux_loss jumprelu_init_threshold jumprelu_bandwidth jumprelu_sparsity_loss_mode ' +
  'jumprelu_tanh_scale jumprelu_ste_to_input l0_coefficient l0_warm_up_steps pre_act_loss_coefficient target_l0 noise_scale mse_loss_normalization';

/**
 * Options before version 6 that change what the SAE computes. Later versions are refused where one of these is switched
 * on.
 */
const optionsBeforeVersion6 = 'activation_fn activation_fn_kwargs finetuning_scaling_factor finetuning_method';

/**
 * Before version 6 the config was flat: what is `metadata` now stood beside the options, and often the whole training run too. Since then
 * training runs still write themselves into it now and then.
 */
const trainingRecords =
  'model_name model_class_name model_kwargs model_from_pretrained_kwargs hook_name hook_eval hook_layer hook_point_layer hook_head_index ' +
  'hook_point_eval hook_name_out hook_layer_out hook_head_index_out prepend_bos context_size seqpos_slice dataset_path ' +
  'dataset_trust_remote_code neuronpedia_id sae_lens_version sae_lens_training_version hf_hook_name hf_hook_name_out ' +
  'exclude_special_tokens is_dataset_tokenized is_dataset_on_disk use_cached_activations cached_activations_path from_pretrained_path ' +
  'streaming expansion_factor b_dec_init_method init_encoder_as_decoder_transpose normalize_sae_decoder ' +
  'decoder_orthogonal_init decoder_heuristic_init decoder_heuristic_init_norm scale_sparsity_penalty_by_decoder_norm ' +
  'n_batches_in_buffer total_training_tokens training_tokens finetuning_tokens store_batch_size store_batch_size_prompts ' +
  'train_batch_size train_batch_size_tokens act_store_device llm_device seed autocast autocast_lm compile_llm llm_compilation_mode ' +
  'compile_sae sae_compilation_mode adam_beta1 adam_beta2 lr lr_end lr_scheduler_name lr_warm_up_steps lr_decay_steps n_restart_cycles ' +
  'use_ghost_grads feature_sampling_window feature_sampling_method feature_reinit_scale resample_batches dead_feature_window ' +
  'dead_feature_estimation_method dead_feature_threshold n_eval_batches eval_batch_size_prompts n_checkpoints checkpoint_path ' +
  'save_final_checkpoint output_path resume resume_from_checkpoint run_name log_to_wandb log_activations_store_to_wandb ' +
  'log_optimizer_state_to_wandb wandb_project wandb_id wandb_entity wandb_log_frequency eval_every_n_wandb_logs verbose logger ' +
  'tokens_per_buffer activations_mixing_fraction disable_concat_sequences sequence_separator_token use_chat_formatting ' +
  'n_batches_for_norm_estimate prefetch_llm_batches hook_point_head_index';

const words = (...texts: string[]): Set<string> => new Set(texts.flatMap(text => text.split(' ')));
const knownOptions = words(inferenceOptions, trainingOptions, trainingRecords);
const knownBeforeVersion6 = words(inferenceOptions, trainingOptions, trainingRecords, optionsBeforeVersion6);

const normalizations = [
  'none',
  'layer_norm',
  'constant_norm_rescale',
  'expected_average_only_in',
  'covariance_whitening',
] as const;

/**
 * Reads a SAELens config of any version.
 * @throws FileFormatError for an option, or a value of one, that this package does not know: the message names it and
 *   what is known
 */
export function readSaelensConfig(config: Config, options: ReadOptions): SaelensConfig {
  const { file } = options;
  const isOld = isBeforeVersion6(config);
  const current = isOld ? modernised(config, file) : config;
  refuseUnknownOptions(current, isOld ? knownBeforeVersion6 : knownOptions, options);

  const name = String(current['architecture'] ?? 'none');
  const found = Object.hasOwn(architectures, name) ? architectures[name] : undefined;
  if (found === undefined) {
    if (Object.hasOwn(notHeld, name)) {
      throw new FileFormatError(`architecture '${name}' cannot be converted: ${notHeld[name]}`, { file });
    }
    throw new FileFormatError(`unknown architecture '${name}'; known are ${Object.keys(architectures).join(', ')}`, {
      file,
    });
  }
  const { architecture, transcoder = false, skip = false, batchTopK = false } = found;

  const normalizeActivations = normalizations.find(known => known === (current['normalize_activations'] ?? 'none'));
  if (normalizeActivations === undefined) {
    const got = shown(current['normalize_activations']);
    throw new FileFormatError(`unknown normalize_activations ${got}; known are ${normalizations.join(', ')}`, { file });
  }

  const reshape = current['reshape_activations'] ?? 'none';
  if (reshape !== 'none' && reshape !== 'hook_z') {
    throw new FileFormatError(`unknown reshape_activations ${shown(reshape)}; known are none, hook_z`, {
      file,
    });
  }

  const rescale = readFlag(current, 'rescale_acts_by_decoder_norm', false, file);
  if (rescale && architecture !== 'topk' && !batchTopK) {
    throw new FileFormatError(`rescale_acts_by_decoder_norm is not an option of architecture '${name}'`, { file });
  }

  const dIn = requireDimension(current, 'd_in', file);
  return {
    architecture,
    transcoder,
    skip,
    batchTopK,
    dIn,
    dSae: requireDimension(current, 'd_sae', file),
    dOut: transcoder ? requireDimension(current, 'd_out', file) : dIn,
    k: architecture === 'topk' ? requireDimension(current, 'k', file) : undefined,
    // A transcoder's b_dec belongs to the output, whatever the config says.
    applyBDecToInput: !transcoder && readFlag(current, 'apply_b_dec_to_input', true, file),
    normalizeActivations,
    rescaleActsByDecoderNorm: rescale,
    reshapesHeads: reshape === 'hook_z',
    scalesFeatures: current['finetuning_scaling_factor'] === true,
    metadata: readMetadata(current, isOld),
  };
}

function isBeforeVersion6(config: Config): boolean {
  const metadata = config['metadata'] as { sae_lens_version?: unknown } | undefined | null;
  const version = config['sae_lens_version'] ?? metadata?.sae_lens_version;
  return typeof version !== 'string' || Number.parseInt(version, 10) < 6;
}

/** A flat config of before version 6 under today's names and defaults, as SAELens's own handle_pre_6_0_config. */
function modernised(config: Config, file: string | undefined): Config {
  const renamed: Record<string, string> = {
    hook_point: 'hook_name',
    hook_point_head_index: 'hook_head_index',
    activation_fn_str: 'activation_fn',
  };
  const current = Object.fromEntries(Object.entries(config).map(([name, value]) => [renamed[name] ?? name, value]));
  current['architecture'] ??= 'standard';
  const normalize = current['normalize_activations'];
  if (typeof normalize === 'boolean')
    current['normalize_activations'] = normalize ? 'expected_average_only_in' : 'none';

  const activation = current['activation_fn'] ?? 'relu';
  const settings = (current['activation_fn_kwargs'] ?? {}) as { k?: unknown; signed?: unknown };
  if (activation === 'topk') {
    if (settings.signed) throw new FileFormatError('unknown option activation_fn_kwargs.signed = true', { file });
    current['architecture'] = 'topk';
    current['k'] = settings.k;
  } else if (activation !== 'relu') {
    throw new FileFormatError(`unknown activation_fn ${shown(activation)}; known are relu, topk`, { file });
  }
  return current;
}

/** The entries that describe the model and the hook, for people. */
function readMetadata(config: Config, isOld: boolean): Readonly<Record<string, unknown>> {
  const nested = (config['metadata'] ?? {}) as Record<string, unknown>;
  if (!isOld) return nested;
  const kept = [
    'model_name',
    'hook_name',
    'hook_head_index',
    'hook_name_out',
    'context_size',
    'dataset_path',
    'prepend_bos',
  ];
  const flat = kept
    .filter(name => config[name] !== undefined && config[name] !== null)
    .map(name => [name, config[name]]);
  return { ...Object.fromEntries(flat), ...nested };
}
