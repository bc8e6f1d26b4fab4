/** Turns the sample, or the visitor's own pictures, into examples of the module. */
import { testLabels, testSprite, trainLabels, trainSprite } from 'virtual:sample';
import type { Picture, Refused } from '../protocol';
import type { Source } from '../saved';
import { web, type WebData } from './web';

/** A file of the sample. */
export async function bytes(address: string): Promise<Uint8Array> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the sample could not be loaded (${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

export async function sample(): Promise<WebData> {
  const [a, b, c, d] = await Promise.all([trainSprite, trainLabels, testSprite, testLabels].map(bytes));
  if (!a || !b || !c || !d) throw new Error('the sample is not complete');
  return web.Data.sample(a, b, c, d);
}

/** Adds every picture that can be read; the others are named with the reason. `breathe` lets messages through now and then. */
export async function own(
  pictures: Picture[],
  progress: (done: number) => void,
  breathe: () => Promise<void>,
): Promise<{ data: WebData; refused: Refused[] }> {
  const data = web.Data.own();
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

/** Tells the same pictures from others by names, labels and sizes (FNV-1a), without reading them. */
export function sourceOf(pictures: Picture[] | null): Source {
  if (!pictures) return { kind: 'sample', count: 0, print: '' };
  let hash = 0x811c9dc5;
  for (const line of pictures.map(({ name, label, file }) => `${label}/${name}:${file.size}`).sort()) {
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x01000193);
  }
  return { kind: 'own', count: pictures.length, print: (hash >>> 0).toString(16) };
}
