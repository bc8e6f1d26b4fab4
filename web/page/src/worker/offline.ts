/**
 * The service worker: keeps the page's own files, so that it opens without a network. The build replaces `__FILES__` and `__VERSION__`.
 * A new version waits until the visitor takes it or has closed every tab.
 */
import { hasRelaxedSimd } from '../../../npm/src/relaxed';

declare const self: ServiceWorkerGlobalScope;
declare const __FILES__: string[];
declare const __VERSION__: string;

const CACHE = `parallax-${__VERSION__}`;

/** Of the two forms of the module, the one that this browser takes. */
const wanted = (file: string): boolean => !file.includes('_first') || file.includes('relaxed') === hasRelaxedSimd();

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
    return kept ?? fetch(request);
  };
  event.respondWith(work());
});
