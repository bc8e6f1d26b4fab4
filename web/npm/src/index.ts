/** Self-supervised visual pre-training in a browser. `WorkerRun` trains in a worker; everything else runs where it is called, after `load`. */
export * from './parallax_web.js';
export { load } from './load.js';
export { hasRelaxedSimd } from './relaxed.js';
export { WorkerRun, type LabelledImage, type RunOptions } from './worker-run.js';
