/** The run table as CSV and JSON. */
import type { SavedRun } from '../saved';
import { historyOf } from '../saved';
import { valueOf } from '../metrics';
import { nameOf } from './labels';

/** A final figure of the trained or the untrained encoder, in percent; null where it was not measured. */
export function figure(run: SavedRun, encoder: 'trained' | 'random', key: string): number | null {
  const value = valueOf(run.rows?.find((row) => row.encoder === encoder)?.metrics ?? [], key);
  return Number.isFinite(value) ? value : null;
}

type Row = Record<string, string | number | null>;

function row(run: SavedRun): Row {
  return {
    run: run.run,
    name: nameOf(run.run),
    method: run.method,
    size: run.size,
    device: run.device,
    step: run.step,
    total_steps: run.total,
    class_ratio: run.ratio ?? 1,
    pictures: run.source.kind,
    knn: run.knn,
    final_knn: figure(run, 'trained', 'knn'),
    final_linear: figure(run, 'trained', 'linear'),
    untrained_knn: figure(run, 'random', 'knn'),
    untrained_linear: figure(run, 'random', 'linear'),
    created: run.created,
    saved: run.saved,
  };
}

const quoted = (value: string | number | null): string => {
  const text = value === null ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export function toCsv(runs: SavedRun[]): Blob {
  const rows = runs.map(row);
  const head = Object.keys(rows[0] ?? {});
  const lines = [head, ...rows.map((one) => head.map((key) => one[key] ?? null))].map((cells) => cells.map(quoted).join(','));
  return new Blob([`${lines.join('\n')}\n`], { type: 'text/csv' });
}

/** As the CSV, with the curves: step, loss and spread; step, kNN accuracy and spread. */
export async function toJson(runs: SavedRun[]): Promise<Blob> {
  const all = await Promise.all(runs.map(async (run) => ({ ...row(run), ...(await historyOf(run.run)) })));
  return new Blob([JSON.stringify(all, null, 1)], { type: 'application/json' });
}
