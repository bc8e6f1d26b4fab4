/** The training page: passes what the visitor does to the worker, and the worker's events to the panels. */
import '../language';
import '../trust';
import '../style.css';
import type { DeviceKind, LooseFile, Picture, Settings, TrainEvent } from 'parallax-web';
import { valueOf } from '../metrics';
import { listenToDetection } from '../detect/open';
import { clearEvaluation, encoderAt, evaluate, hearEvaluation, listenToEvaluation } from '../evaluate/evaluation';
import { clearNorms, hearNorms, listenToNorms, offerEncoder, offerSaved } from '../evaluate/norms';
import { listenToStudy, show as showStudy, studyDone, studyFailed, studyProbe } from '../evaluate/study';
import { peek, type SavedRun } from '../saved';
import { choosePictures, fillForm, listenToForm, offerSystems, readForm, showGpu, showKnobs, showPhase, type Phase } from './controls';
import { listenToTable, refreshTable } from './curve-table';
import { addProbe, addStep, lastSpread, shownHistory } from './curves';
import { byId } from './dom';
import { Engine, newRun } from './engine';
import { endExperiment, experimentDone, listenToExperiments, ofExperiment, showExperiments } from './experiment';
import { showFilters } from './filters';
import { few, percent } from './format';
import { deviceAfterLoss, stepDone } from '../loss';
import { listenToFold, whenShown } from './live';
import { showClasses, showMap } from './map';
import { noLosses, tellOfLoss } from './lost';
import { listenToVisibility } from './hidden';
import { clearNotices, notify } from './notices';
import { workOffline } from './offline';
import { drawDue, paced } from './pace';
import { listenForPictures, refusal, showAccepted, showReading, showSource } from './pictures';
import { showPreview } from './preview';
import { clearPanels, downloads, restorePanels, showSaved } from './panels';
import { showQueue } from './queue';
import { showResult } from './result';
import { compareRuns } from '../runs/compare';
import { notSaved } from '../runs/full';
import { calledBy, listenForImports, needed } from '../runs/import';
import { fetchRun, holdFiles, listenToRuns, runTitle, showRuns, type RunActions } from '../runs/table';
import { read, write } from './settings';
import { listenToShare } from './share';
import { addSimilarity } from './similarity';
import * as status from './status';
import { systemName } from './systems';
import { listenToTour } from './tour';
import { alive, arrived, expect } from './watch';
import { showViews } from './views';
import { closeWebcam } from './webcam';

let phase: Phase = 'loading';
let own: Picture[] | null = null;
/** What to do once the worker is ready again. */
let afterwards: (() => void) | null = null;
/** The device of the run in training. */
let startedOn: DeviceKind = 'cpu';
let stopPressed = 0;

const engine = new Engine(hear);
const loadState = byId('load-state');
/** Whether the page shows that it is loading; a replaced worker loads in the background. */
const showsLoading = (): boolean => byId('state').textContent?.startsWith('Loading') ?? false;

function enter(next: Phase): void {
  phase = next;
  const { own: wanted } = readForm();
  showPhase(phase, !wanted || own !== null);
  // Leaving the page would end the run.
  byId('to-augment', HTMLAnchorElement).target = training() ? '_blank' : '';
  showStudy();
  showExperiments();
}

const training = (): boolean => ['starting', 'running', 'pausing', 'paused', 'stopping'].includes(phase);
const chosen = (): Picture[] | null => (readForm().own ? own : null);

async function refreshRuns(): Promise<SavedRun[]> {
  const runs = await showRuns(actions, training() ? engine.run : '');
  offerSaved(runs, runTitle);
  return runs;
}

function begin(run: string, clear = true): void {
  if (clear) clearNotices();
  if (clear) noLosses();
  closeWebcam();
  clearPanels();
  status.state('Starting');
  enter('starting');
  if (matchMedia('(max-width: 860px)').matches) byId('live').scrollIntoView();
  engine.run = run;
}

function start(device = readForm().device): void {
  const { own: _, ...settings } = readForm();
  endExperiment();
  startWith({ ...settings, device }, chosen());
}

function startWith(settings: Settings, pictures: Picture[] | null): string {
  const run = newRun(`${settings.method}-${settings.size}`);
  begin(run);
  engine.send({ type: 'start', run, settings, pictures });
  return run;
}

/** Whether a saved run's pictures are here; if not, asks for them, to `press` the button again then. */
function picturesOf({ source }: SavedRun, press: string): boolean {
  if (source.kind !== 'own' || chosen()) return true;
  choosePictures('own');
  changed();
  notify({ kind: 'warning', title: 'Choose the same pictures first', text: `This run was trained on ${source.count} pictures of your own, which are not stored. Drop the same folder again, then press ${press}.` });
  return false;
}

/** Opens the encoder of a saved run for evaluation. */
function openEncoder(saved: SavedRun): void {
  if (phase !== 'idle' || !picturesOf(saved, 'Evaluate')) return;
  const { run, source } = saved;
  void showSaved(saved).then(() => {
    enter('busy');
    engine.send({ type: 'open', run, device: readForm().device, pictures: source.kind === 'own' ? own : null });
  });
}

function proceed(saved: SavedRun, device = readForm().device, clear = true): void {
  if (!picturesOf(saved, 'Continue')) return;
  const { run, source } = saved;
  if (!ofExperiment(run)) endExperiment();
  begin(run, clear);
  engine.send({ type: 'resume', run, device, pictures: source.kind === 'own' ? own : null });
}

const actions: RunActions = { proceed: (run) => proceed(run), show: (run) => void showSaved(run), evaluate: openEncoder };

function boot(): void {
  expect(loadAgain);
  engine.restart();
}

function replaceWorker(then: (() => void) | null = null): void {
  afterwards = then;
  drawDue();
  clearEvaluation();
  clearNorms();
  studyFailed();
  enter('loading');
  boot();
}

function loadAgain(): void {
  status.state('Loading the program');
  replaceWorker();
}

function stop(): void {
  const run = engine.run;
  if (phase === 'running' || phase === 'paused' || phase === 'pausing') {
    enter('stopping');
    stopPressed = performance.now();
    status.state('Stopping after this step');
    return engine.send({ type: 'stop', run });
  }
  // A double click is one stop.
  if (phase === 'stopping' && performance.now() - stopPressed < 1000) return;
  // Still starting, or stopped twice: terminate the worker. What is saved stays.
  endExperiment();
  const word = phase === 'starting' ? 'Cancelled' : 'Stopped';
  replaceWorker();
  status.state(word);
  void refreshRuns();
}

function changed(): void {
  const { own: wanted, ...settings } = readForm();
  write(settings);
  showKnobs();
  showSource(wanted, own);
  void showPreview(wanted ? (own ?? []) : null);
  enter(phase);
}

function checkPictures(pictures: Picture[]): void {
  own = pictures;
  choosePictures('own');
  changed();
  showReading('Reading the pictures…');
  enter('busy');
  engine.send({ type: 'check', run: newRun('pictures'), pictures });
}

/** Reports an error, replaces a dead worker, and offers to continue. */
async function trouble({ run, trouble: kind, message, detail, device: used }: Extract<TrainEvent, { type: 'error' }>): Promise<void> {
  if (kind === 'storage') {
    const save = (id: string): void => training() && id === engine.run ? engine.send({ type: 'save', run: id }) : undefined;
    return notSaved(run, message, detail, { download: (id) => void fetchRun(id, 'tar'), save, refresh: () => void refreshRuns() });
  }
  if (kind === 'load') {
    enter('dead');
    status.state('Not started');
    arrived();
    return notify({ kind: 'error', title: 'The program could not be started', text: message, detail, actions: [['Try again', loadAgain]] });
  }
  const was = phase;
  const onGpu = (used ?? startedOn) === 'webgpu';
  const broken = kind === 'crash' || kind === 'gpu' || kind === 'lost';
  if (broken) replaceWorker();
  else {
    studyFailed();
    enter('idle');
  }
  status.waiting();
  status.state(was === 'busy' ? 'Ready' : 'The run has stopped');
  if (was === 'busy' && !broken) {
    loadState.textContent = '';
    return notify({ kind: 'error', title: 'That failed', text: message, detail });
  }
  const saved = await peek(run).catch(() => null);
  await refreshRuns();
  if (kind === 'lost' && was !== 'busy' && saved) {
    const where = deviceAfterLoss(readForm().device);
    tellOfLoss(saved.step, where === 'cpu' ? 'cpu' : 'webgpu', detail);
    return whenReady(() => proceed(saved, where, false));
  }
  const where = onGpu ? 'on the CPU' : 'again';
  const device = onGpu ? 'cpu' : readForm().device;
  const go: [string, () => void] = saved
    ? [`Continue ${where} from step ${saved.step}`, () => whenReady(() => proceed(saved, device))]
    : [`Start ${where}`, () => whenReady(() => start(device))];
  const advice = onGpu && broken ? ' The CPU is slower but more reliable. Closing other tabs that use the graphics card, or updating its driver, can help.' : '';
  notify({ kind: 'error', title: kind === 'gpu' || kind === 'lost' ? 'The graphics device failed' : 'The run has stopped', text: `${message}${advice}`, detail, actions: was === 'busy' ? [] : [go] });
}

const whenReady = (work: () => void): void => {
  if (phase === 'loading') afterwards = work;
  else work();
};

function hear(event: TrainEvent): void {
  switch (event.type) {
    case 'ready': {
      arrived();
      showGpu(event.gpu);
      enter('idle');
      const work = afterwards;
      afterwards = null;
      if (work) return work();
      return showsLoading() ? status.state('Ready') : undefined;
    }
    case 'progress':
      alive();
      if (phase === 'busy' && event.run.startsWith('pictures')) return showReading(`${event.text}…`);
      if (phase === 'busy') loadState.textContent = `${event.text}…`;
      if (event.run === '' && !showsLoading()) return;
      return status.state(event.text, event.fraction, event.fraction === null && event.run !== '');
    case 'pictures': {
      const { accepted, classes, refused } = event;
      if (accepted === 0) own = null;
      showAccepted(accepted, classes, refused);
      enter('idle');
      return refused.length > 0 ? notify(refusal(accepted, refused)) : undefined;
    }
    case 'started':
      startedOn = event.device;
      status.began(event);
      showClasses(event.classes);
      restorePanels(event.history);
      encoderAt(event.step);
      offerEncoder(true);
      status.state('Training');
      enter('running');
      return void refreshRuns();
    case 'lost':
      startedOn = event.device;
      status.began(event);
      restorePanels(event.history);
      encoderAt(event.step);
      if (phase === 'running') status.state('Training');
      return tellOfLoss(event.step, event.device, event.detail);
    case 'view':
      return whenShown('views', () => {
        showQueue(event.queue);
        showViews(event.pairs, event.step);
      });
    case 'step':
      status.stepped(event);
      stepDone();
      paced('encoder', () => encoderAt(event.step));
      return addStep(event.step, event.loss, event.collapse);
    case 'probe':
      whenShown('map', () => showMap(event.embedding, event.labels, event.step, valueOf(event.metrics, 'knn')));
      whenShown('filters', () => showFilters(event.filters, event.filter_side, event.step));
      studyProbe(event.run, event.step, valueOf(event.metrics, 'knn'));
      addSimilarity(event.step, event.same, event.other);
      addProbe(event.step, valueOf(event.metrics, 'knn'), event.collapse);
      return refreshTable();
    case 'checkpoint':
      holdFiles(event.run, event.step, event.files, shownHistory());
      return void refreshRuns();
    case 'paused':
      status.waiting();
      status.state('Paused and saved');
      return enter('paused');
    case 'loaded': {
      const { recipe, knn, saved, step, total, note } = event;
      const next = `${saved ? ` It is among the saved runs, at step ${step} of ${total}.` : ''}${note ? ` ${note}` : ''}`;
      enter('idle');
      status.state('Ready');
      loadState.textContent = `${recipe.label}: kNN accuracy ${percent(knn)} on held-out pictures.${next}`;
      return void refreshRuns();
    }
    case 'done':
      status.waiting();
      status.position(event.step, event.total);
      status.state(event.step < event.total ? 'Stopped and saved' : 'Done');
      enter('idle');
      showResult(event.rows, event.method, event.step, event.total, downloads(event.run));
      void refreshRuns();
      experimentDone(event.run, event.step, event.total, event.rows, lastSpread());
      return studyDone(event.run, event.step, event.total, event.rows);
    case 'encoder':
      enter('idle');
      status.state('A saved run');
      encoderAt(event.step);
      offerEncoder(true);
      return evaluate();
    case 'evaluated':
      return event.turn === 0 ? hearNorms(event.report) : hearEvaluation(event.turn, event.report);
    case 'error':
      return void trouble(event);
  }
}

function pauseOrResume(): void {
  if (phase !== 'running' && phase !== 'paused') return;
  const run = engine.run;
  if (phase === 'paused') {
    enter('running');
    status.state('Training');
    return engine.send({ type: 'resume', run, device: readForm().device, pictures: null });
  }
  enter('pausing');
  status.state('Pausing after this step');
  engine.send({ type: 'pause', run });
}

function load(files: LooseFile[]): void {
  if (phase !== 'idle') return notify({ kind: 'warning', title: 'Not now', text: 'A run can be imported when none is in training.' });
  clearNotices();
  enter('busy');
  byId('saved').scrollIntoView({ block: 'nearest' });
  engine.send({ type: 'load', run: newRun(calledBy(files)), files: needed(files), device: readForm().device, pictures: chosen() });
}

offerSystems();
const link = read(location.search);
fillForm(link.settings);
if (link.broken.length > 0) notify({ kind: 'warning', title: 'A part of the link was not understood', text: `${few(link.broken)}: the usual values are taken instead.` });
listenToForm({
  change: changed,
  start,
  pause: pauseOrResume,
  step: () => engine.send({ type: 'step', run: engine.run }),
  stop,
});
listenForPictures({
  allowed: () => phase === 'idle',
  take: checkPictures,
  load,
  fail: (title, text) => notify({ kind: 'warning', title, text }),
});
listenForImports(load);
listenToRuns();
listenToEvaluation((turn, task) => engine.ask(turn, task));
listenToNorms((task) => engine.ask(0, task));
listenToDetection();
listenToExperiments({
  free: () => phase === 'idle',
  begin: (settings) => {
    const { device } = readForm();
    fillForm({ ...settings, device });
    choosePictures('sample');
    changed();
    return startWith({ ...settings, device }, null);
  },
  compare: (runs) => {
    compareRuns(runs);
    void refreshRuns().then(() => byId('compare').scrollIntoView({ block: 'start' }));
  },
});
listenToTable();
listenToFold((live) => engine.live(live));
listenToTour({ running: training, start: () => phase === 'idle' && start() });
listenToShare();
listenToStudy({
  free: () => phase === 'idle',
  begin: (settings) => {
    if (phase !== 'idle') return null;
    endExperiment();
    return startWith({ ...settings, device: readForm().device }, null);
  },
  stop,
});
listenToVisibility(() => {
  const active = phase === 'running' || phase === 'pausing';
  if (active) engine.send({ type: 'save', run: engine.run });
  return active;
});
changed();
void refreshRuns().then((runs) => {
  const unfinished = runs.find((run) => run.step < run.total && run.rows === null);
  if (unfinished && phase !== 'starting' && phase !== 'running') {
    notify({
      kind: 'info',
      title: 'A run is waiting',
      text: `${systemName(unfinished.method)} stopped at step ${unfinished.step} of ${unfinished.total}.`,
      actions: [['Continue it', () => whenReady(() => proceed(unfinished))]],
    });
  }
});
boot();
void workOffline();
