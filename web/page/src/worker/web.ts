/** The WASM module, held to the interface that the worker is written against. */
import * as module from 'parallax-web';
import type { ParallaxWeb } from '../module';
import plainAddress from 'parallax-web/binary?url';
import relaxedAddress from 'parallax-web/relaxed?url';

export const web: ParallaxWeb<module.Data, module.Run, module.Augmenter> = module;
export type WebData = module.Data;
export type WebRun = module.Run;
export type WebAugmenter = module.Augmenter;

/** A module of one function that takes zeros to `f32x4.relaxed_madd`: valid where a browser knows relaxed SIMD. */
const RELAXED = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b], // type: nothing to v128
  ...[3, 2, 1, 0], // one function of that type
  ...[10, 19, 1, 17, 0], // its body, without locals
  ...[0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15], // i32.const 0, i8x16.splat, three times
  ...[0xfd, 0x85, 2, 0x0b],
);

/** Loads and starts the module; `progress` gets the megabytes that have arrived. */
export async function load(progress: (megabytes: number) => void): Promise<void> {
  const answer = await fetch(WebAssembly.validate(RELAXED) ? relaxedAddress : plainAddress).catch((problem: unknown) => {
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
