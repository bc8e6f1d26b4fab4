/** The WASM module: which of its two forms this browser takes, and loading it with progress. */
import init from 'parallax-web';
import first from 'parallax-web/first?url';
import relaxedFirst from 'parallax-web/relaxed_first?url';
import rest from 'parallax-web/rest?url';
import threadsFirst from 'parallax-web/threads_first?url';
import threadsRest from 'parallax-web/threads_rest?url';
import { hasRelaxedSimd } from '../../../npm/src/relaxed';
import { join } from './halves';
import { sharedMemory, startThreads } from './threads';

/** Loads and starts the module; `progress` gets the megabytes that have arrived. */
export async function load(progress: (megabytes: number) => void): Promise<void> {
  const relaxed = hasRelaxedSimd();
  const memory = relaxed ? sharedMemory() : null;
  const [half, other] = memory ? [threadsFirst, threadsRest] : [relaxed ? relaxedFirst : first, rest];
  const answer = await fetch(half).catch((problem: unknown) => {
    throw new Error(`A file of the page could not be loaded. Check the connection, then try again. (${String(problem)})`);
  });
  if (!answer.ok || !answer.body) throw new Error(`A file of the page could not be loaded (${answer.status}). Check the connection, then try again.`);
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
  const exports = await init({ module_or_path: new Response(counted, { headers: { 'content-type': 'application/wasm' } }) });
  join(exports as unknown as WebAssembly.Exports, other, true);
  if (memory) startThreads(exports as unknown as WebAssembly.Exports, memory, other);
}

/** What an error while loading says to the visitor. */
export const loadProblem = (problem: unknown): Error => {
  if (problem instanceof WebAssembly.CompileError) return new Error('This browser does not support WebAssembly SIMD. A newer version does.');
  return problem instanceof Error ? problem : new Error(String(problem));
};
