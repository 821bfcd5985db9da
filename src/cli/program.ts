/** Everything that can be said on the command line. What a command then does is in `commands/`, imported when it is asked for. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { addNameOptions, addReportOptions, addRunOptions, positiveInteger, positiveNumber } from './options.ts';
import { prepareCommand } from './prepare-command.ts';
import type { Terminal } from './terminal.ts';

const SAMPLES_HELP = `
Samples are rows of numbers in .npy, .npz, .safetensors, .json or .csv, told apart by content; - reads stdin.
JSON is an array of rows, a row a line, or {"shape": [...], "data": [...]}. CSV has one sample a line, separated by
commas, semicolons, tabs or spaces; a first line without numbers is a header.`;

/** The program with all its commands; they report to `terminal`. */
export function buildProgram(terminal: Terminal): Command {
  const program = prepareCommand(new Command('monosemantic'), terminal)
    .description(
      'Sparse autoencoders (SAEs) and toy models of superposition: look into .onnx files, run, convert, train.',
    )
    .version(version())
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
  for (const define of [inspect, encode, decode, directions, convert, verify, plot, train, engines, view]) add(define);
  return program;
}

/** A command and its operands, for the list of commands. */
function commandTerm(command: Command): string {
  const operands = command.registeredArguments.map(argument => (argument.variadic ? '…' : `<${argument.name()}>`));
  return [command.name(), ...operands].join(' ');
}

function version(): string {
  // Two folders up in the sources and in the build alike.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function inspect(command: Command, terminal: Terminal): Command {
  command
    .name('inspect')
    .argument('<file>', 'an .onnx file; - reads stdin')
    .summary('what is in an .onnx file')
    .description('What is in any .onnx file: inputs, outputs, weights with their shapes, operators, metadata.')
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
Features go to .npy, .npz, .safetensors, .json or .csv. With --sparse: .npz, as scipy.sparse.load_npz reads it;
.safetensors and .json, which hold offsets, indices and values (sample i has the entries offsets[i] to
offsets[i + 1]); .npy and .csv, a row for each feature that fires: sample, feature, value.

Example: monosemantic encode sae.onnx --input activations.npy --output features.npz --sparse`,
    )
    .action(async (file, options) => (await import('./commands/encode.ts')).encode(file, options, terminal));
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
    .action(async (file, options) => (await import('./commands/decode.ts')).decode(file, options, terminal));
  return addNameOptions(addReportOptions(addRunOptions(command)));
}

function directions(command: Command, terminal: Terminal): Command {
  command
    .name('directions')
    .argument('<file>', 'an SAE or a toy model, .onnx')
    .summary('the direction of each feature')
    .description("Each feature's direction, as the file holds them: rows of the decoder, [d_sae, d_in].")
    .option('--output <file>', '.npy, .npz, .safetensors, .json or .csv; - is stdout, as JSON', '-')
    .action(async (file, options) => (await import('./commands/directions.ts')).directions(file, options, terminal));
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
    .action(async (source, target, options) =>
      (await import('./commands/convert.ts')).convert(source, target, options, terminal),
    );
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
    .action(async (file, options) => (await import('./commands/verify.ts')).verify(file, options, terminal));
  return addNameOptions(addReportOptions(addRunOptions(command)));
}

function plot(command: Command, terminal: Terminal): Command {
  command
    .name('plot')
    .argument('<file>', 'an SAE or a toy model, .onnx')
    .summary('figures of a frozen model')
    .description('Figures of a frozen model: its directions in the plane, their norms and overlaps.')
    .option('--target <toy model>', "draw how the SAE's latents match this model's features")
    .option('--output <path>', 'how figures are called, without extension (default: as the file)')
    .addOption(
      new Option('--format <format...>', 'one or more forms').choices(['svg', 'png', 'html']).default(['svg', 'png']),
    )
    .action(async (file, options) => (await import('./commands/plot.ts')).plot(file, options, terminal));
  return addNameOptions(addReportOptions(command));
}

/** Its options are the experiments' own, and need what those need: they are read once it is known that one is asked for. */
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
    .action(async (what, args) => (await import('./commands/train.ts')).train(what, args, terminal));
}

function engines(command: Command, terminal: Terminal): Command {
  command
    .name('engines')
    .summary('what this machine can train and run on')
    .description('Engines and devices of this machine, which one auto takes, and why others are not there.')
    .action(async options => (await import('./commands/engines.ts')).engines(options, terminal));
  return addReportOptions(command);
}

function view(command: Command, terminal: Terminal): Command {
  command
    .name('view')
    .argument('[files...]', 'models to open')
    .summary('open models in the viewer')
    .description(
      'Serves the viewer on this machine and prints its address; nothing leaves the machine. Ctrl-C ends it.',
    )
    .option('--port <n>', 'port to listen on (default: any that is free)', positiveInteger)
    .action(async (files, options) => (await import('./commands/view.ts')).view(files, options, terminal));
  return addReportOptions(command);
}
