/** How much the saved runs take, how much is left, and whether the browser may evict them. */
import { button, byId } from '../page/dom';
import { bytes } from '../page/format';
import { storageHere } from '../saved';

const line = byId('storage');

export async function showStorage(): Promise<void> {
  if (!storageHere() || !navigator.storage.estimate) {
    line.textContent = '';
    return;
  }
  const { usage = 0, quota = 0 } = await navigator.storage.estimate().catch((): StorageEstimate => ({}));
  const kept = (await navigator.storage.persisted?.().catch(() => false)) ?? false;
  const words = `${bytes(usage)} used, ${bytes(Math.max(0, quota - usage))} left. `;
  if (kept || !navigator.storage.persist) {
    line.textContent = kept ? `${words}The browser keeps them until you delete them.` : words;
    return;
  }
  const ask = button('Ask the browser to keep them', () => {
    void navigator.storage.persist().then((granted) => {
      if (granted) void showStorage();
      else line.textContent = `${words}The browser has refused: it may delete them when space is short. Download what you want to keep.`;
    });
  });
  ask.className = 'link';
  line.replaceChildren(`${words}The browser may delete them when space is short. `, ask);
}
