/** Installs the service worker once the page has loaded, and offers a new version without forcing it. */

import { notify } from './notices';

export async function workOffline(): Promise<void> {
  if (!import.meta.env.PROD || !navigator.serviceWorker) return;
  const registration = await navigator.serviceWorker.register('./sw.js', { scope: './', updateViaCache: 'none' }).catch(() => null);
  if (!registration) return;
  const propose = (): void => {
    const next = registration.waiting;
    // The first version has nobody to replace.
    if (!next || !navigator.serviceWorker.controller) return;
    const take = (): void => {
      navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
      next.postMessage('take over');
    };
    notify({ kind: 'info', title: 'A new version of this page is ready', text: 'It waits until you take it, or until every tab of this page is closed.', actions: [['Reload with it', take]] });
  };
  propose();
  registration.addEventListener('updatefound', () => {
    const next = registration.installing;
    next?.addEventListener('statechange', () => next.state === 'installed' && propose());
  });
}
