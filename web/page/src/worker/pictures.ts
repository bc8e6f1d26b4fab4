/** Loads the sample or the visitor's pictures into the module. */
import { Data, type Picture, type Refused } from 'parallax-web';
import { testLabels, testSprite, trainLabels, trainSprite } from 'virtual:sample';
import type { Source } from '../saved';

/** Fetches a file of the sample. */
export async function bytes(address: string): Promise<Uint8Array> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the sample could not be loaded (${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** The files of the sample, which are fetched once. */
let files: Promise<Uint8Array[]> | null = null;

/** Fetches the sample, so that nothing is fetched later. A failure is reported when the sample is needed. */
export function fetchSample(): Promise<Uint8Array[]> {
  files ??= Promise.all([trainSprite, trainLabels, testSprite, testLabels].map(bytes));
  files.catch(() => (files = null));
  return files;
}

export async function sample(): Promise<Data> {
  const [a, b, c, d] = await fetchSample();
  if (!a || !b || !c || !d) throw new Error('the sample is incomplete');
  return Data.sample(a, b, c, d);
}

/** Decodes the pictures; those that cannot be decoded are returned with the reason. `breathe` lets messages in now and then. */
export async function own(
  pictures: Picture[],
  progress: (done: number) => void,
  breathe: () => Promise<void>,
): Promise<{ data: Data; refused: Refused[] }> {
  const data = Data.own();
  const refused: Refused[] = [];
  let last = performance.now();
  for (const [index, { name, label, file }] of pictures.entries()) {
    try {
      data.add(name, new Uint8Array(await file.arrayBuffer()), label);
    } catch (problem) {
      if (problem instanceof WebAssembly.RuntimeError) throw problem;
      refused.push({ name, reason: problem instanceof Error ? problem.message : String(problem) });
    }
    if (performance.now() - last > 100) {
      progress(index + 1);
      await breathe();
      last = performance.now();
    }
  }
  return { data, refused };
}

/** A fingerprint of pictures: FNV-1a of names, labels and sizes, without reading them. */
export function sourceOf(pictures: Picture[] | null): Source {
  if (!pictures) return { kind: 'sample', count: 0, print: '' };
  let hash = 0x811c9dc5;
  for (const line of pictures.map(({ name, label, file }) => `${label}/${name}:${file.size}`).sort()) {
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x01000193);
  }
  return { kind: 'own', count: pictures.length, print: (hash >>> 0).toString(16) };
}
