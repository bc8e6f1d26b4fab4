/** Messages that stay until they are dismissed: what happened, what to do, and buttons for it. */
import { button, byId, make } from './dom';

export interface Notice {
  kind: 'error' | 'warning' | 'info';
  title: string;
  text?: string;
  detail?: string;
  items?: string[];
  actions?: [text: string, press: () => void][];
}

const place = byId('notices');

/** Shows a message, and returns a function that removes it. */
export function post({ kind, title, text, detail, items, actions = [] }: Notice): () => void {
  const box = make('div', { class: `notice ${kind}`, role: kind === 'info' ? 'status' : 'alert' });
  const close = button('×', () => box.remove(), `Dismiss: ${title}`);
  close.className = 'close';
  box.append(make('h3', {}, title), close);
  if (text) box.append(make('p', {}, text));
  if (items?.length) box.append(make('ul', {}, ...items.map((item) => make('li', {}, item))));
  if (detail) box.append(make('details', {}, make('summary', {}, 'Details'), make('pre', {}, detail)));
  if (actions.length) {
    const row = make('div', { class: 'row' });
    for (const [name, press] of actions) {
      row.append(
        button(name, () => {
          box.remove();
          press();
        }),
      );
    }
    box.append(row);
  }
  place.append(box);
  if (kind === 'error') box.scrollIntoView({ block: 'nearest' });
  return () => box.remove();
}

/** Shows a message. */
export const notify = (notice: Notice): void => void post(notice);

export function clearNotices(): void {
  place.replaceChildren();
}

const region = byId('announce');

/** Tells screen readers what has changed. */
export function announce(text: string): void {
  if (region.textContent !== text) region.textContent = text;
}
