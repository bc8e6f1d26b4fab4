import init from './parallax_web.js';
import { hasRelaxedSimd } from './relaxed.js';

let loading: Promise<void> | null = null;

/**
 * Loads the WASM module: the file with relaxed SIMD where the browser has it, else the one with plain SIMD. Call it before anything
 * else of the module; later calls wait for the first. `binary` names another address for the file.
 */
export function load(binary?: string | URL): Promise<void> {
  loading ??= start(binary).catch((problem: unknown) => {
    loading = null;
    throw problem;
  });
  return loading;
}

async function start(binary?: string | URL): Promise<void> {
  const found = hasRelaxedSimd() ? new URL('./parallax_web_relaxed_bg.wasm', import.meta.url) : new URL('./parallax_web_bg.wasm', import.meta.url);
  await init({ module_or_path: binary ?? found });
}
