/** What an embedding page does: the package's two ways to train, on images drawn here. The README's functions are `readme.js`. */
import { pretrainHere, pretrainInWorker } from './readme.js';

async function image(kind, seed) {
  const canvas = new OffscreenCanvas(40, 32);
  const context = canvas.getContext('2d');
  for (let y = 0; y < 32; y += 4) {
    for (let x = 0; x < 40; x += 4) {
      context.fillStyle = `hsl(${kind * 180 + ((seed * 37 + x * 5 + y * 3) % 90)} 80% ${30 + ((x * y + seed) % 40)}%)`;
      context.fillRect(x, y, 4, 4);
    }
  }
  const file = await canvas.convertToBlob({ type: 'image/png' });
  return { name: `${kind}-${seed}.png`, label: kind ? 'cold' : 'warm', file };
}

/** Losses, kNN accuracy, names of the files, and a digest of the weights. */
async function train(pretrain, images) {
  const losses = [];
  let knn = Number.NaN;
  const files = await pretrain(images, (report) => {
    if ('loss' in report) losses.push(report.loss);
    else if ('embedding' in report) knn = report.metrics.find(({ key }) => key === 'knn').value;
  });
  const weights = files.find(({ name }) => name === 'weights.safetensors').bytes;
  const digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', weights))].join(' ');
  return { losses, knn, files: files.map(({ name }) => name), digest };
}

try {
  const images = [];
  for (let seed = 0; seed < 20; seed++) images.push(await image(0, seed), await image(1, seed));
  window.result = { worker: await train(pretrainInWorker, images), here: await train(pretrainHere, images) };
} catch (problem) {
  window.result = { problem: String(problem.stack ?? problem) };
}
