/** TensorFlow.js beside us, in a worker of its own: the same training step, and single convolutions forward. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import type { BenchConvolution } from '../../module';
import type { TfjsCommand, TfjsEvent } from '../../bench';
import { Training } from './resnet';

const say = (event: TfjsEvent): void => self.postMessage(event);
const now = (): number => performance.now() / 1e3;
const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Seconds of one run, as our own timer takes them: warm, several in a row where a wait for the device weighs, the wait taken off. */
async function measure(work: () => tf.Tensor, budget: number): Promise<number> {
  const run = async (times: number): Promise<number> => {
    const begin = now();
    for (let n = 1; n < times; n++) work().dispose();
    const last = work();
    // One value is read, as ours is: a whole output would cost a copy.
    const value = tf.tidy(() => tf.slice(tf.reshape(last, [-1]), 0, 1));
    await value.data();
    tf.dispose([last, value]);
    return now() - begin;
  };
  const probe = tf.add(tf.zeros([2]), 1);
  await probe.data();
  let idle = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 5; n++) {
    const begin = now();
    const fence = tf.slice(probe, 0, 1);
    await fence.data();
    fence.dispose();
    idle = Math.min(idle, now() - begin);
  }
  await run(2);
  const times: number[] = [];
  const began = now();
  for (let runs = 1; times.length < 3 || now() - began < budget; ) {
    const took = await run(runs);
    if (took < Math.min(Math.max(idle * 20, 2e-3), budget) && runs < 1024) {
      runs *= 2;
      times.length = 0;
    } else {
      times.push(Math.max(took - idle, 0) / runs);
    }
  }
  return median(times);
}

async function convolution({ batch, size, inputs, outputs, kernel, stride, padding }: BenchConvolution, budget: number): Promise<number> {
  const x = tf.randomUniform<tf.Rank.R4>([batch, size, size, inputs], -1, 1);
  const weight = tf.randomUniform<tf.Rank.R4>([kernel, kernel, inputs, outputs], -1, 1);
  const seconds = await measure(() => tf.conv2d(x, weight, stride, padding), budget);
  tf.dispose([x, weight]);
  return seconds;
}

async function run({ device, setting, convolutions, seconds, steps }: TfjsCommand): Promise<void> {
  // Only what is asked for is loaded.
  if (device === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  else await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(device))) throw new Error(`TensorFlow.js has no ${device} here`);
  await tf.ready();

  const begin = now();
  const training = new Training(setting);
  const firstLoss = await training.step();
  const first = now() - begin;
  let lastLoss = firstLoss;
  const times: number[] = [];
  for (let step = 0; step < steps; step++) {
    const start = now();
    lastLoss = await training.step();
    times.push(now() - start);
    say({ type: 'state', text: `step ${step + 2}: ${((now() - start) * 1e3).toFixed(1)} ms` });
  }
  say({ type: 'step', backend: tf.getBackend(), version: tf.version_core, first, seconds: median(times), firstLoss, lastLoss });
  for (const one of convolutions) {
    say({ type: 'state', text: one.name });
    say({ type: 'convolution', shape: one.name, seconds: await convolution(one, seconds) });
  }
}

self.addEventListener('message', (event: MessageEvent<TfjsCommand>) => {
  run(event.data)
    .then(() => say({ type: 'state', text: '' }))
    .catch((problem: unknown) => say({ type: 'error', message: problem instanceof Error ? problem.message : String(problem) }));
});
