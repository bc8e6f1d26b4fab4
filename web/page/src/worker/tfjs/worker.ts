/** The comparison with TensorFlow.js, in its own worker: the same training step, forward convolutions, the same views. */
import type { BenchConvolution } from 'parallax-web';
import type { TfjsCommand, TfjsEvent } from './protocol';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { measure, median, now } from './measure';
import { Training } from './resnet';
import { views } from './views';

const say = (event: TfjsEvent): void => self.postMessage(event);

async function convolution({ batch, size, inputs, outputs, kernel, stride, padding }: BenchConvolution, budget: number): Promise<number> {
  const x = tf.randomUniform<tf.Rank.R4>([batch, size, size, inputs], -1, 1);
  const weight = tf.randomUniform<tf.Rank.R4>([kernel, kernel, inputs, outputs], -1, 1);
  const seconds = await measure(() => tf.conv2d(x, weight, stride, padding), budget);
  tf.dispose([x, weight]);
  return seconds;
}

async function train({ setting, convolutions, seconds, steps }: Extract<TfjsCommand, { type: 'step' }>): Promise<void> {
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

async function augment({ size, plan, seconds }: Extract<TfjsCommand, { type: 'views' }>): Promise<void> {
  const values = Float32Array.from(plan.rgb, (value) => value / 255);
  for (const { name, lists } of plan.pipelines) {
    say({ type: 'state', text: name });
    const mean = tf.tidy(() => tf.mean(views(values, plan, lists, size)));
    const [found] = await mean.data();
    mean.dispose();
    const taken = await measure(() => views(values, plan, lists, size), seconds);
    say({ type: 'view', backend: tf.getBackend(), version: tf.version_core, pipeline: name, seconds: taken, mean: found ?? Number.NaN });
  }
}

async function run(command: TfjsCommand): Promise<void> {
  const { device } = command;
  // Only what is asked for is loaded.
  if (device === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  else await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(device))) throw new Error(`TensorFlow.js has no ${device} here`);
  await tf.ready();
  await (command.type === 'step' ? train(command) : augment(command));
}

self.addEventListener('message', (event: MessageEvent<TfjsCommand>) => {
  run(event.data)
    .then(() => say({ type: 'done' }))
    .catch((problem: unknown) => say({ type: 'error', message: problem instanceof Error ? problem.message : String(problem) }));
});
