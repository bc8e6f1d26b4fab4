/**
 * The same views in TensorFlow.js: its image operations where it has them (crop and resize, flip, grayscale), tensor operations
 * for the rest. It does less work: floats without rounding in between, no antialiasing, hue as a matrix.
 */
import type { BenchViewPlan, Op } from 'parallax-web';
import * as tf from '@tensorflow/tfjs-core';

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const LUMA = [0.299, 0.587, 0.114];

/** A part of the source, in its pixels: left, top, width, height. */
type Part = [number, number, number, number];

/** The part of the source that the leading crops and resizes show, and the operations after them. */
export function cropped(ops: Op[], width: number, height: number): { part: Part; rest: Op[] } {
  let [left, top, wide, high]: Part = [0, 0, width, height];
  // Source pixels per pixel.
  let [across, down] = [1, 1];
  for (const [at, op] of ops.entries()) {
    if (op.op === 'crop') {
      [left, top, wide, high] = [left + op.left * across, top + op.top * down, op.width * across, op.height * down];
    } else if (op.op === 'resize') {
      [across, down] = [wide / op.width, high / op.height];
    } else {
      return { part: [left, top, wide, high], rest: ops.slice(at) };
    }
  }
  return { part: [left, top, wide, high], rest: [] };
}

const luma = (x: tf.Tensor4D): tf.Tensor4D => tf.sum(tf.mul(x, LUMA), 3, true);
const clipped = (x: tf.Tensor): tf.Tensor4D => tf.clipByValue(x, 0, 1) as tf.Tensor4D;
const blend = (x: tf.Tensor4D, base: tf.Tensor, factor: number): tf.Tensor4D => clipped(tf.add(tf.mul(x, factor), tf.mul(base, 1 - factor)));

/** A rotation of the chroma plane of YIQ as a matrix on RGB; positive from red to green, as in Pillow. */
function hueShifted(x: tf.Tensor4D, turns: number): tf.Tensor4D {
  const [sin, cos] = [Math.sin(-2 * Math.PI * turns), Math.cos(2 * Math.PI * turns)];
  const towards = [0.701, -0.587, -0.114, -0.299, 0.413, -0.114, -0.299, -0.587, 0.886];
  const across = [0.168, 0.33, -0.497, -0.328, 0.035, 0.292, 1.25, -1.05, -0.203];
  const entry = (at: number): number => (LUMA[at % 3] ?? 0) + cos * (towards[at] ?? 0) + sin * (across[at] ?? 0);
  const rotation = tf.tensor2d(Array.from({ length: 9 }, (_, at) => entry(at)), [3, 3]);
  const flat = tf.matMul(tf.reshape(x, [-1, 3]), rotation, false, true);
  return clipped(tf.reshape(flat, x.shape));
}

function blurred(x: tf.Tensor4D, sigma: number): tf.Tensor4D {
  const radius = Math.max(Math.ceil(3 * sigma), 1);
  const taps = Array.from({ length: 2 * radius + 1 }, (_, tap) => Math.exp(-0.5 * ((tap - radius) / Math.max(sigma, 1e-3)) ** 2));
  const sum = taps.reduce((all, tap) => all + tap, 0);
  const line = tf.tile(tf.reshape(tf.tensor1d(taps.map((tap) => tap / sum)), [1, -1, 1, 1]), [1, 1, 3, 1]) as tf.Tensor4D;
  const column = tf.transpose(line, [1, 0, 2, 3]) as tf.Tensor4D;
  return tf.depthwiseConv2d(tf.depthwiseConv2d(x, line, 1, 'same'), column, 1, 'same');
}

/** One operation on a view of values from 0 to 1. */
function applied(x: tf.Tensor4D, op: Op): tf.Tensor4D {
  switch (op.op) {
    case 'hflip':
      return tf.image.flipLeftRight(x);
    case 'brightness':
      return clipped(tf.mul(x, op.factor));
    case 'contrast':
      return blend(x, tf.mean(luma(x)), op.factor);
    case 'saturation':
      return blend(x, luma(x), op.factor);
    case 'hue':
      return hueShifted(x, op.delta);
    case 'grayscale':
      return tf.image.grayscaleToRGB(tf.image.rgbToGrayscale(x));
    case 'blur':
      return blurred(x, op.sigma);
    case 'solarize':
      return tf.where(tf.greaterEqual(x, op.threshold / 255), tf.sub(1, x), x);
    case 'crop':
    case 'resize':
      throw new Error(`${op.op} after an operation on colours`);
  }
}

/** Both views of every picture, normalised, in one tensor; `values` is the image with values from 0 to 1. */
export function views(values: Float32Array, { width, height }: BenchViewPlan, lists: [Op[], Op[]][], size: number): tf.Tensor4D {
  return tf.tidy(() => {
    const source = tf.tensor4d(values, [1, height, width, 3]);
    const crops = [...lists.map(([first]) => first), ...lists.map(([, second]) => second)].map((ops) => cropped(ops, width, height));
    // The box's corners are the centres of its outermost pixels.
    const box = ([left, top, wide, high]: Part): number[] => [top / (height - 1), left / (width - 1), (top + high - 1) / (height - 1), (left + wide - 1) / (width - 1)];
    const boxes = tf.tensor2d(crops.map(({ part }) => box(part)), [crops.length, 4]);
    const parts = tf.image.cropAndResize(source, boxes, tf.zeros([crops.length], 'int32') as tf.Tensor1D, [size, size], 'bilinear');
    const all = crops.map(({ rest }, at) => rest.reduce(applied, tf.slice(parts, [at, 0, 0, 0], [1, size, size, 3])));
    return tf.div(tf.sub(tf.concat(all), MEAN), STD) as tf.Tensor4D;
  });
}
