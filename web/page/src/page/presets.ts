/** Experiments that a press of a button runs. `bench/presets.py` shows with three seeds that what each one says happens. */
import type { Settings } from 'parallax-web';
import { DEFAULTS } from './settings';

export interface Preset {
  name: string;
  title: string;
  /** What to look at, in one sentence. */
  watch: string;
  /** One run after another; the curves of each stay behind those of the next. */
  runs: { label: string; settings: Settings }[];
}

const run = (label: string, settings: Partial<Settings>): Preset['runs'][number] => ({ label, settings: { ...DEFAULTS, ...settings } });

export const PRESETS: readonly Preset[] = [
  {
    name: 'collapse',
    title: 'BYOL without a predictor collapses',
    watch: 'Watch the feature spread: without the predictor it falls towards zero, while the loss looks almost perfect.',
    runs: [
      run('BYOL', { method: 'byol', steps: 200 }),
      run('BYOL without predictor', { method: 'byol', steps: 200, overrides: ['method.predictor=false'] }),
    ],
  },
  {
    name: 'colour',
    title: 'Without colour jitter the network sees colour',
    watch: 'Watch the loss fall lower with crops and flips alone: the colours give a pair away. Then press Evaluate and look at the neighbours, which share colours.',
    runs: [
      run('All augmentations', { method: 'moco-v2-plus', steps: 400 }),
      run('Crops and flips alone', { method: 'moco-v2-plus', steps: 400, overrides: ['views.pipeline=supervised'] }),
    ],
  },
  {
    name: 'classes',
    title: 'Supervised against self-supervised at 10 % of the classes',
    watch: 'Watch kNN accuracy on all ten classes: one class leaves labels nothing to tell apart, so learning without labels ends higher.',
    runs: [
      run('Supervised', { method: 'supervised', steps: 400, ratio: 0.1 }),
      run('MoCo v2+', { method: 'moco-v2-plus', steps: 400, ratio: 0.1 }),
    ],
  },
];
