/** The ResNet-18 with the CIFAR stem in TensorFlow.js: channels last, batch norm in training mode, SGD with momentum. */
import type { BenchSetting } from 'parallax-web';
import * as tf from '@tensorflow/tfjs-core';

/** Every run of the benchmark has its own worker, so it begins with the same weights. */
let seed = 0;
const nextSeed = (): number => ++seed;

const CLASSES = 10;
const RATE = 0.01;
const MOMENTUM = 0.9;
const EPSILON = 1e-5;
const TRACKING = 0.1;

type Layer = (x: tf.Tensor4D) => tf.Tensor4D;

function convolution(inputs: number, outputs: number, kernel: number, stride: number): Layer {
  const deviation = Math.sqrt(2 / (kernel * kernel * outputs));
  const weight = tf.variable(tf.randomNormal([kernel, kernel, inputs, outputs], 0, deviation, 'float32', nextSeed())) as tf.Variable<tf.Rank.R4>;
  return (x) => tf.conv2d(x, weight, stride, Math.floor(kernel / 2));
}

function norm(channels: number): Layer {
  const scale = tf.variable(tf.ones([channels])) as tf.Variable<tf.Rank.R1>;
  const shift = tf.variable(tf.zeros([channels])) as tf.Variable<tf.Rank.R1>;
  const mean = tf.variable(tf.zeros([channels]), false);
  const variance = tf.variable(tf.ones([channels]), false);
  const track = (running: tf.Variable, batch: tf.Tensor): void =>
    running.assign(tf.add(tf.mul(running, 1 - TRACKING), tf.mul(batch, TRACKING)));
  return (x) => {
    const moments = tf.moments(x, [0, 1, 2]);
    const count = x.size / channels;
    track(mean, moments.mean);
    track(variance, tf.mul(moments.variance, count / Math.max(count - 1, 1)));
    return tf.batchNorm4d(x, moments.mean as tf.Tensor1D, moments.variance as tf.Tensor1D, shift, scale, EPSILON);
  };
}

function block(inputs: number, outputs: number, stride: number): Layer {
  const first = convolution(inputs, outputs, 3, stride);
  const firstNorm = norm(outputs);
  const second = convolution(outputs, outputs, 3, 1);
  const secondNorm = norm(outputs);
  const changes = stride !== 1 || inputs !== outputs;
  const shortcut = changes ? [convolution(inputs, outputs, 1, stride), norm(outputs)] : [];
  return (x) => {
    const y = secondNorm(second(tf.relu(firstNorm(first(x)))));
    return tf.relu(tf.add(y, shortcut.reduce((z, layer) => layer(z), x)));
  };
}

export class Training {
  private readonly layers: Layer[] = [];
  private readonly weight: tf.Variable<tf.Rank.R2>;
  private readonly bias: tf.Variable<tf.Rank.R1>;
  private readonly images: tf.Tensor4D;
  private readonly targets: tf.Tensor2D;
  private readonly optimizer = tf.train.momentum(RATE, MOMENTUM);

  constructor({ width, size, batch }: BenchSetting) {
    const stem = convolution(3, width, 3, 1);
    const stemNorm = norm(width);
    this.layers.push((x) => tf.relu(stemNorm(stem(x))));
    let inputs = width;
    for (let stage = 0; stage < 4; stage++) {
      for (let number = 0; number < 2; number++) {
        const outputs = width << stage;
        this.layers.push(block(inputs, outputs, number === 0 && stage > 0 ? 2 : 1));
        inputs = outputs;
      }
    }
    const bound = 1 / Math.sqrt(inputs);
    this.weight = tf.variable(tf.randomUniform([inputs, CLASSES], -bound, bound, 'float32', nextSeed())) as tf.Variable<tf.Rank.R2>;
    this.bias = tf.variable(tf.zeros([CLASSES])) as tf.Variable<tf.Rank.R1>;
    const values = Float32Array.from({ length: batch * size * size * 3 }, (_, n) => Math.sin(n * 0.37));
    this.images = tf.tensor4d(values, [batch, size, size, 3]);
    const classes = Array.from({ length: batch }, (_, row) => row % CLASSES);
    this.targets = tf.cast(tf.oneHot(tf.tensor1d(classes, 'int32'), CLASSES), 'float32') as tf.Tensor2D;
  }

  /** One step; resolves to its loss when the device has finished. */
  async step(): Promise<number> {
    const loss = this.optimizer.minimize(() => {
      const x = this.layers.reduce((y, layer) => layer(y), this.images);
      const logits = tf.add(tf.matMul(tf.mean(x, [1, 2]) as tf.Tensor2D, this.weight), this.bias);
      return tf.losses.softmaxCrossEntropy(this.targets, logits) as tf.Scalar;
    }, true);
    if (!loss) throw new Error('TensorFlow.js gave no loss');
    const [value] = await loss.data();
    loss.dispose();
    return value ?? Number.NaN;
  }
}
