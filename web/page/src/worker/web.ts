/** The WASM module, held to the interface that the worker is written against. */
import * as module from 'parallax-web';
import type { ParallaxWeb } from '../module';
import wasmAddress from 'parallax-web/binary?url';

export const web: ParallaxWeb<module.Data, module.Run, module.Augmenter> = module;
export type WebData = module.Data;
export type WebRun = module.Run;
export type WebAugmenter = module.Augmenter;

/** Loads and starts the module; `progress` gets the megabytes that have arrived. */
export async function load(progress: (megabytes: number) => void): Promise<void> {
  const answer = await fetch(wasmAddress).catch((problem: unknown) => {
    throw new Error(`A file of the page did not arrive. Look at the connection, then try again. (${String(problem)})`);
  });
  if (!answer.ok || !answer.body) throw new Error(`A file of the page did not arrive (${answer.status}). Look at the connection, then try again.`);
  let size = 0;
  let shown = 0;
  const counted = answer.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.length;
        if (size - shown > 500_000) progress((shown = size) / 1e6);
        controller.enqueue(chunk);
      },
    }),
  );
  await web.default({ module_or_path: new Response(counted, { headers: { 'content-type': 'application/wasm' } }) });
}
