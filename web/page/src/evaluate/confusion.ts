/** The confusion matrix: a row for each class, a column for each class that was predicted. */
import type { ConfusionTable } from 'parallax-web';
import { byId, make } from '../page/dom';
import { percent } from '../page/format';

/** More classes than these do not fit a table. */
const MOST = 24;

const place = byId('confusion', HTMLTableElement);
const note = byId('confusion-note');

export function showConfusion({ counts, accuracy }: ConfusionTable, classes: string[]): void {
  const known = classes.map((name) => name || 'no class');
  note.textContent = percent(accuracy);
  if (known.length > MOST) return place.replaceChildren(make('caption', {}, `A table of ${known.length} classes would not fit here.`));
  const head = known.map((name, at) => make('th', { scope: 'col', title: name }, make('span', {}, `${at + 1}`), make('span', { class: 'hidden' }, ` ${name}`)));
  const rows = known.map((name, row) => {
    const cells = known.map((predicted, column) => cell(counts, known.length, row, column, `${name} taken for ${predicted}`));
    return make('tr', {}, make('th', { scope: 'row' }, make('span', { class: 'number', 'aria-hidden': 'true' }, `${row + 1}`), name), ...cells);
  });
  place.replaceChildren(
    make('thead', {}, make('tr', {}, make('td', { class: 'corner' }, 'Class, and what it was taken for'), ...head)),
    make('tbody', {}, ...rows),
  );
}

/** A count, the darker the more of its class it is. */
function cell(counts: Uint32Array, classes: number, row: number, column: number, title: string): HTMLElement {
  const own = counts.subarray(row * classes, (row + 1) * classes);
  const count = own[column] ?? 0;
  const all = own.reduce((sum, one) => sum + one, 0);
  const made = make('td', { class: row === column ? 'own' : '', title: `${title}: ${count} of ${all}` }, count ? String(count) : '');
  made.style.setProperty('--part', `${Math.round(100 * Math.sqrt(all ? count / all : 0))}%`);
  return made;
}

export function clearConfusion(): void {
  place.replaceChildren();
  note.textContent = '';
}
