/**
 * The service worker: keeps the page's own files, so that it opens without a network. The build replaces `__FILES__` and `__VERSION__`.
 * A new version waits until the visitor takes it or has closed every tab.
 */
import { hasRelaxedSimd } from '../../../npm/src/relaxed';

declare const self: ServiceWorkerGlobalScope;
declare const __FILES__: string[];
declare const __VERSION__: string;

const CACHE = `parallax-${__VERSION__}`;

/** Whether this browser can run the form of the module with threads: under this worker it does. */
const sharesMemory = ((): boolean => {
  try {
    return hasRelaxedSimd() && navigator.hardwareConcurrency > 1 && new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer.byteLength > 0;
  } catch {
    return false;
  }
})();

/** Of the forms of the module, the one that this browser takes. */
function wanted(file: string): boolean {
  if (!/_(first|rest)-/.test(file)) return true;
  if (sharesMemory) return file.includes('_threads_');
  return !file.includes('_threads_') && (file.includes('_rest-') || file.includes('_relaxed_') === hasRelaxedSimd());
}

/** What makes a page cross-origin isolated, so that it may share memory with its threads. All of it comes from here. */
const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

function isolated(answer: Response, request: Request): Response {
  if (!sharesMemory || !['document', 'worker'].includes(request.destination)) return answer;
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(ISOLATED)) headers.set(name, value);
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}

self.addEventListener('install', (event) => {
  const work = async (): Promise<void> => {
    const cache = await caches.open(CACHE);
    // What the page has just loaded comes from the browser's own cache.
    for (const file of __FILES__.filter(wanted)) await cache.add(new Request(new URL(file, self.registration.scope), { cache: file.endsWith('.html') ? 'no-cache' : 'force-cache' }));
  };
  event.waitUntil(work());
});

self.addEventListener('activate', (event) => {
  const work = async (): Promise<void> => {
    for (const name of await caches.keys()) if (name.startsWith('parallax-') && name !== CACHE) await caches.delete(name);
  };
  event.waitUntil(work());
});

self.addEventListener('message', (event) => {
  if (event.data === 'take over') void self.skipWaiting();
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(self.registration.scope)) return;
  const work = async (): Promise<Response> => {
    const cache = await caches.open(CACHE);
    const address = new URL(request.url);
    const page = request.mode === 'navigate' && address.pathname.endsWith('/') ? new URL('index.html', address) : address;
    const kept = await cache.match(page, { ignoreSearch: true });
    return isolated(kept ?? (await fetch(request)), request);
  };
  event.respondWith(work());
});
