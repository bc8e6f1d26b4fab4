/** Names and descriptions of the pipelines. */

interface Words {
  name: string;
  says: string;
}

const WORDS: Record<string, Words> = {
  'moco-v1': { name: 'MoCo v1', says: 'Grayscale, strong jitter with probability 1, flip.' },
  'moco-v2': { name: 'MoCo v2', says: 'Jitter, grayscale, blur, flip. MoCo v2+ trains with it.' },
  'byol-asymmetric': { name: 'BYOL, asymmetric', says: 'View 1 is always blurred; view 2 rarely, but it may be solarised.' },
  'byol-symmetric': { name: 'BYOL, symmetric', says: 'Both views from one policy: the paper’s Table 1.' },
  supervised: { name: 'Supervised', says: 'Crop and flip only, for training with labels.' },
  eval: { name: 'Evaluation', says: 'The central square, as used for evaluation.' },
};

export const wordsOf = (pipeline: string): Words => WORDS[pipeline] ?? { name: pipeline, says: '' };
