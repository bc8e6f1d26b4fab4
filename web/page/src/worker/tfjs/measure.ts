/** Times TensorFlow.js as `parallax_bench::Bench` times Parallax. */
import * as tf from '@tensorflow/tfjs-core';

export const now = (): number => performance.now() / 1e3;
export const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Median seconds of one run after warming up: several in a row where waiting for the device counts, less the wait itself. */
export async function measure(work: () => tf.Tensor, budget: number): Promise<number> {
  const run = async (times: number): Promise<number> => {
    const begin = now();
    for (let n = 1; n < times; n++) work().dispose();
    const last = work();
    // Reads one value, as the module does: a whole output would cost a copy.
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
