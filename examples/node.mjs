// Which features fire, in Node: npm install monosemantic onnxruntime-node
// node node.mjs sae.onnx activations.json
import { readFile } from 'node:fs/promises';
import { loadSae } from 'monosemantic/inference';

const [model, activationsFile] = process.argv.slice(2);
const activations = JSON.parse(await readFile(activationsFile, 'utf8')); // rows of d_in numbers

const sae = await loadSae(model);
const { offsets, indices, values } = await sae.encode(activations, { sparse: true });
await sae.dispose();

activations.forEach((_, sample) => {
  const [start, end] = [offsets[sample], offsets[sample + 1]];
  const words = Array.from(
    indices.subarray(start, end),
    (feature, i) => `${feature} (${values[start + i].toFixed(2)})`,
  );
  console.log(`sample ${sample}: ${words.join(', ')}`);
});
