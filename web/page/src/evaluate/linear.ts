/** The curve of linear evaluation: a linear classifier on frozen features, epoch by epoch. */
import type { EvaluateReport } from 'parallax-web';
import { Curve, ofHundred } from '../page/curve';
import { byId } from '../page/dom';
import { percent } from '../page/format';

type Report = Extract<EvaluateReport, { type: 'linear' }>;

const curve = new Curve('linear', [{ key: 'view-1' }, { key: 'muted', dash: [4, 4] }], (value) => `${value.toFixed(0)} %`, ofHundred);
const press = byId('linear-start', HTMLButtonElement);
const note = byId('linear-note');
const legend = byId('linear-legend');

export function onLinear(begin: () => void): void {
  press.addEventListener('click', () => {
    if (press.getAttribute('aria-disabled') === 'true') return;
    press.setAttribute('aria-disabled', 'true');
    begin();
  });
}

export function showLinear({ epochs, curves: { trained, random }, done }: Report): void {
  const last = trained.at(-1);
  const steps = trained.map(({ epoch }) => epoch);
  const values = (points: typeof trained): (number | null)[] => steps.map((_, at) => points[at]?.top1 ?? null);
  const words = `Linear evaluation: trained ${percent(last?.top1 ?? null)}, untrained ${percent(random.at(-1)?.top1 ?? null)} after epoch ${last?.epoch ?? 0} of ${epochs}`;
  curve.set([steps, values(trained), values(random)], words);
  legend.hidden = false;
  note.textContent = `${percent(last?.top1 ?? null)}, untrained ${percent(random.at(-1)?.top1 ?? null)}`;
  press.hidden = done;
  press.textContent = `Epoch ${Math.round(last?.epoch ?? 0)} of ${epochs}…`;
}

export function clearLinear(): void {
  curve.set([[], [], []], 'Linear evaluation, empty');
  legend.hidden = true;
  note.textContent = '';
  press.hidden = false;
  press.textContent = 'Train a linear classifier';
  press.setAttribute('aria-disabled', 'false');
}
