// One run of a graph model in TensorFlow.js (wasm): node run_tfjs.mjs NODE_MODULES MODEL.json INPUT.f32 1,3,416,416 int32|float32 OUT_FOLDER
import fs from 'fs';
import path from 'path';
import { createRequire } from 'module';

const [, , modules, modelFile, inputFile, shape, dtype, out] = process.argv;
const require = createRequire(path.join(modules, 'x.js'));
const tf = require('@tensorflow/tfjs');
const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm');
setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist') + '/');
await tf.setBackend('wasm');
await tf.ready();
const model = JSON.parse(fs.readFileSync(modelFile));
const shards = model.weightsManifest.flatMap((group) => group.paths);
const weights = Buffer.concat(shards.map((name) => fs.readFileSync(path.join(path.dirname(modelFile), name))));
const loaded = await tf.loadGraphModel(tf.io.fromMemory({
  modelTopology: model.modelTopology,
  weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
  weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
  format: 'graph-model',
  signature: model.signature,
  userDefinedMetadata: model.userDefinedMetadata,
}));
const raw = fs.readFileSync(inputFile);
const numbers = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
const input = tf.tensor(numbers, shape.split(',').map(Number), 'float32').cast(dtype);
const names = loaded.outputs.map((output) => output.name);
const found = await loaded.executeAsync(input, names);
[found].flat().forEach((tensor, i) => {
  const file = path.join(out, names[i].replace(/:0$/, '').replace(/[/:]/g, '_') + '.f32');
  fs.writeFileSync(file, Buffer.from(new Float32Array(tensor.dataSync()).buffer));
});
