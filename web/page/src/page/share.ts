/** Copies the address, which holds every setting. */
import { byId } from './dom';
import { notify } from './notices';

export function listenToShare(): void {
  const press = byId('copy-link');
  press.addEventListener('click', () => {
    const copied = (): void => {
      press.textContent = 'Copied';
      setTimeout(() => (press.textContent = 'Copy link'), 2000);
    };
    const show = (): void => notify({ kind: 'info', title: 'Copy this link', text: location.href });
    // Without https there is no clipboard.
    if (navigator.clipboard) navigator.clipboard.writeText(location.href).then(copied, show);
    else show();
  });
}
