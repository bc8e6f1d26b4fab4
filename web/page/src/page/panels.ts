/** The panels of a run together: emptied, restored from a history, or filled with a saved run. */
import type { History } from 'parallax-web';
import { clearEvaluation } from '../evaluate/evaluation';
import { offerEncoder } from '../evaluate/norms';
import { fetchRun } from '../runs/table';
import { open, type SavedRun } from '../saved';
import { refreshTable } from './curve-table';
import { clearCurves, restoreCurves, shownHistory } from './curves';
import { byId } from './dom';
import { clearFilters } from './filters';
import { deviceName } from './format';
import { forgetDrawings } from './live';
import { clearMap } from './map';
import { clearNotices, notify } from './notices';
import { clearQueue } from './queue';
import { clearResult, showResult } from './result';
import { restoreSimilarity } from './similarity';
import * as status from './status';
import { clearViews } from './views';

export function clearPanels(): void {
  forgetDrawings();
  status.clearStatus();
  clearViews();
  clearMap();
  clearCurves();
  restoreSimilarity(shownHistory());
  clearQueue();
  clearFilters();
  refreshTable();
  clearResult();
  clearEvaluation();
  offerEncoder(false);
  byId('load-state').textContent = '';
}

/** Draws the curves of a run so far. */
export function restorePanels(history: History): void {
  restoreCurves(history);
  restoreSimilarity(history);
  refreshTable();
}

/** Buttons that download a run. */
export function downloads(run: string): [string, () => void][] {
  return [
    ['Download .tar', () => void fetchRun(run, 'tar')],
    ['weights.safetensors', () => void fetchRun(run, 'weights')],
  ];
}

/** Shows a saved run as it was at its last step. */
export async function showSaved({ run, method, step, total, rows, adapter, device }: SavedRun): Promise<void> {
  clearNotices();
  clearPanels();
  try {
    restorePanels((await open(run)).history);
  } catch (problem) {
    return notify({ kind: 'error', title: 'The run could not be read', text: String(problem) });
  }
  status.position(step, total);
  status.device(deviceName(device, adapter), '');
  status.state('A saved run');
  if (rows) showResult(rows, method, step, total, downloads(run));
}
