/**
 * Threads of the module: workers with an instance of it each, on the same memory (`xtask/src/wasm/threads.rs`). They need a page that
 * is cross-origin isolated, which the service worker makes of it from the second visit on (`offline.ts`), and relaxed SIMD, because
 * only that form of the module exists with shared memory.
 */
import { loadedModule, shareMemory } from 'parallax-web';

/** What a thread is given. */
export interface Thread {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Where its stack begins. */
  stack: number;
  /** Address of the module's rest. */
  rest: string;
}

/** More threads gain little on networks of this size. */
const MOST = 8;

/** Threads of this computer that the module can use, its own included. */
const threads = (): number => Math.min(navigator.hardwareConcurrency || 1, MOST);

/** The shared memory with which the module is to be loaded; null where there can be no threads. */
export function sharedMemory(): WebAssembly.Memory | null {
  if (!self.crossOriginIsolated || threads() < 2) return null;
  try {
    return shareMemory();
  } catch {
    return null;
  }
}

/** Starts threads that help the module; they join as soon as they are there. */
export function startThreads(exports: WebAssembly.Exports, memory: WebAssembly.Memory, rest: string): void {
  const stack = exports['threads_stack'] as () => number;
  for (let number = 1; number < threads(); number++) {
    const thread: Thread = { module: loadedModule(), memory, stack: stack(), rest };
    new Worker(new URL('./thread.ts', import.meta.url), { type: 'module', name: `parallax thread ${number}` }).postMessage(thread);
  }
}
