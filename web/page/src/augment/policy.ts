/** From the sliders' values to a pipeline's policies. The paper's values come from the module. */
import type { PipelinePolicies, Policy, Step } from 'parallax-web';

export type Range = [least: number, most: number];
/** One number for each view. */
export type Views = [first: number, second: number];

/** The parameters and probabilities of the paper's Table 1. */
export interface Values {
  area: Range;
  aspect: Range;
  flip: number;
  jitter: number;
  brightness: number;
  contrast: number;
  saturation: number;
  hue: number;
  grayscale: number;
  blur: Views;
  sigma: Range;
  solarize: Views;
  threshold: number;
}

type Kind = Step['step'];
type StepOf<K extends Kind> = Extract<Step, { step: K }>;

/** The pipeline with every step, in the order of Table 1; what another pipeline lacks is taken from it. */
const WHOLE = 'byol-symmetric';
const ORDER: Kind[] = ['flip', 'jitter', 'grayscale', 'blur', 'solarize'];

export function find(pipelines: PipelinePolicies[], name: string): PipelinePolicies {
  const found = pipelines.find((one) => one.name === name);
  if (!found) throw new Error(`the module has no pipeline ${name}`);
  return found;
}

export const draws = ({ policies }: PipelinePolicies): boolean => policies[0].crop.kind !== 'central';
/** Do the two views follow different policies? */
export const asymmetric = ({ policies }: PipelinePolicies): boolean => JSON.stringify(policies[0]) !== JSON.stringify(policies[1]);

function stepOf<K extends Kind>({ steps }: Policy, kind: K): StepOf<K> | undefined {
  return steps.find((one): one is StepOf<K> => one.step === kind);
}

/** Does any view of the pipeline have this step? */
export const has = ({ policies }: PipelinePolicies, kind: Kind): boolean => policies.some((policy) => stepOf(policy, kind) !== undefined);

/** The paper's values for a pipeline. A step that it lacks has probability 0. */
export function valuesOf(pipelines: PipelinePolicies[], name: string): Values {
  const [first, second] = find(pipelines, name).policies;
  const [whole] = find(pipelines, WHOLE).policies;
  const both = [first, second, whole];
  const p = (policy: Policy, kind: Kind): number => stepOf(policy, kind)?.p ?? 0;
  const known = <K extends Kind>(kind: K): StepOf<K> => {
    const found = both.map((policy) => stepOf(policy, kind)).find((step) => step !== undefined);
    if (!found) throw new Error(`no pipeline has ${kind}`);
    return found;
  };
  const crop = [first.crop, whole.crop].find((one) => one.kind === 'random-crop');
  if (crop?.kind !== 'random-crop') throw new Error(`${WHOLE} has no crop`);
  const { brightness, contrast, saturation, hue } = known('jitter');
  return {
    area: [...crop.area],
    aspect: [...crop.aspect],
    flip: p(first, 'flip'),
    jitter: p(first, 'jitter'),
    brightness,
    contrast,
    saturation,
    hue,
    grayscale: p(first, 'grayscale'),
    blur: [p(first, 'blur'), p(second, 'blur')],
    sigma: [...known('blur').sigma],
    solarize: [p(first, 'solarize'), p(second, 'solarize')],
    threshold: known('solarize').threshold,
  };
}

function stepWith(kind: Kind, values: Values, view: 0 | 1): Step {
  const { brightness, contrast, saturation, hue, sigma, threshold } = values;
  switch (kind) {
    case 'flip':
    case 'grayscale':
      return { step: kind, p: values[kind] };
    case 'jitter':
      return { step: kind, p: values.jitter, brightness, contrast, saturation, hue };
    case 'blur':
      return { step: kind, p: values.blur[view], sigma };
    case 'solarize':
      return { step: kind, p: values.solarize[view], threshold };
  }
}

/**
 * The policies of a pipeline with these values. Its steps keep their order; steps that it lacks follow, and only where their
 * probability is above 0, so that the paper's values give the paper's views. Evaluation has one view.
 */
export function policiesOf(pipeline: PipelinePolicies, values: Values): Policy[] {
  if (!draws(pipeline)) return [pipeline.policies[0]];
  return pipeline.policies.map((policy, at) => {
    const view = at === 0 ? 0 : 1;
    const own = policy.steps.map(({ step }) => stepWith(step, values, view));
    const more = ORDER.filter((kind) => !stepOf(policy, kind)).map((kind) => stepWith(kind, values, view));
    return {
      crop: { kind: 'random-crop', area: values.area, aspect: values.aspect },
      steps: [...own, ...more.filter(({ p }) => p > 0)],
    };
  });
}
