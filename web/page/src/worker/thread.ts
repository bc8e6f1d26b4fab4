/** A thread of the module: an instance that does tasks until its page is closed. */
import { join } from './halves';
import type { Thread } from './threads';

interface Helping {
  $stack: WebAssembly.Global;
  threads_help: () => void;
  threads_stop: () => void;
}

function help({ module, memory, stack, rest }: Thread): void {
  // Tasks call nothing of the page.
  const imports: WebAssembly.Imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const nothing = (): never => {
      throw new Error(`a thread called ${name}`);
    };
    (imports[from] ??= {})[name] = kind === 'memory' ? memory : nothing;
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  const { $stack, threads_help, threads_stop } = exports as unknown as Helping;
  $stack.value = stack;
  join(exports, rest, false);
  try {
    threads_help();
  } catch (problem) {
    threads_stop();
    throw problem;
  }
}

self.addEventListener('message', ({ data }: MessageEvent<Thread>) => help(data), { once: true });
