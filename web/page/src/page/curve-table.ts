/** The curves as a table: a row for every probe. */
import { shownHistory } from './curves';
import { byId, make } from './dom';
import { percent } from './format';
import { similarities } from './similarity';

const box = byId('as-table', HTMLDetailsElement);
const table = byId('curve-table', HTMLTableElement);

function draw(): void {
  const { steps, probes } = shownHistory();
  const views = new Map(similarities().map(([step, same, other]) => [step, [same.toFixed(2), other.toFixed(2)]]));
  const losses = new Map(steps.map(([step, loss, spread]) => [step, [loss.toFixed(3), spread.toFixed(2)]]));
  const last = steps.at(-1)?.[0];
  const rows = [...new Set([...probes.map(([step]) => step), ...(last === undefined ? [] : [last])])].sort((a, b) => a - b);
  const accuracy = new Map(probes.map(([step, knn]) => [step, percent(knn)]));
  const heads = ['Step', 'Loss', 'kNN accuracy', 'Feature spread', 'Similarity, same picture', 'Similarity, different pictures'];
  const cells = rows.map((step) => [losses.get(step)?.[0], accuracy.get(step), losses.get(step)?.[1], ...(views.get(step) ?? [undefined, undefined])]);
  table.replaceChildren(
    make('thead', {}, make('tr', {}, ...heads.map((name) => make('th', { scope: 'col' }, name)))),
    make('tbody', {}, ...cells.map((row, at) => make('tr', {}, make('th', { scope: 'row' }, String(rows[at])), ...row.map((cell) => make('td', {}, cell ?? '–'))))),
  );
}

/** Draws the table where it is open; the curves have changed. */
export function refreshTable(): void {
  if (box.open) draw();
}

export function listenToTable(): void {
  box.addEventListener('toggle', refreshTable);
}
