/** On the CPU: curves, pause, step, resume, reload, continue, the table, downloads, loading a checkpoint. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { open } from './browser.mjs';
import { accessible } from './looks.mjs';
import { colours, curveMoves, download, LONG, phase, reachStep, start, stepNow, table, text, untar, watchFrames } from './steps.mjs';

const FILES = ['weights.safetensors', 'training.safetensors', 'state.json', 'recipe.toml'];

/** The probe's neighbours; those of `parallax knn` are more. */
const NEIGHBOURS = ['--k', '20'];

/** The command line, which `cargo xtask test` builds and names. */
const parallax = async (...args) => (await promisify(execFile)(process.env.PARALLAX ?? 'parallax', args)).stdout;

export const title = 'a run on the CPU, through pause and reload to the table';

export default async function ({ browser, address, shot, check, say }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
  const { page, faults } = await open(context, `${address}?steps=2000&batch=8`);
  await phase(page, 'idle');
  await shot(page, 'cpu-before');
  assert.match(await text(page, '#device-hint'), /Automatic takes the CPU/);
  const began = Date.now();
  await start(page);
  const longest = await watchFrames(page);

  await check('chooses the CPU on a software adapter and says why', async () => {
    assert.match(await text(page, '#adapter'), /^CPU · ./);
    assert.match(await text(page, '#reason'), /software.*50 times faster|No WebGPU/);
  });
  await check('loss, kNN and spread curves move', async () => {
    const first = await curveMoves(page, 'loss', 'Loss curve, empty');
    say(`first loss ${((Date.now() - began) / 1000).toFixed(1)} s after start`);
    await curveMoves(page, 'loss', first);
    await curveMoves(page, 'spread', 'Feature spread curve, empty');
    const knn = await curveMoves(page, 'knn', 'kNN accuracy curve, empty');
    await curveMoves(page, 'knn', knn);
    assert.match(await text(page, '#health'), /healthy|narrow|collapsing/);
    assert.ok((await colours(page, '#loss-plot canvas')) > 1, 'the loss curve is drawn');
    assert.match(await page.getAttribute('#similarity-plot', 'aria-label'), /\d\.\d\d of the same picture, -?\d\.\d\d of different ones/);
    assert.equal(await page.isVisible('#queue'), false);
    await page.click('#as-table summary');
    await page.waitForSelector('#curve-table tbody tr');
    const cells = await page.$$eval('#curve-table tbody tr:first-child > *', (all) => all.map((cell) => cell.textContent));
    assert.equal(cells[0], '0');
    assert.match(cells[2], /^\d+\.\d %$/);
  });
  await check('shows views, the map and the speed', async () => {
    assert.equal(await page.locator('#pairs li').count(), 6);
    for (const kind of ['source', 'first', 'second']) assert.ok((await colours(page, `#pairs .${kind} canvas`)) > 20, `${kind} has colours`);
    assert.ok((await colours(page, '#map')) > 10, 'the map has dots');
    assert.match(await text(page, '#rate'), /\d/);
    assert.match(await text(page, '#left'), /\d+ (s|min|h)/);
    assert.equal(await page.locator('#legend li').count(), 10);
  });
  await check('the page is not blocked', async () => {
    const time = await longest();
    say(`longest hold-up of the page ${time.toFixed(0)} ms`);
    // 158 to 430 ms beside another part.
    assert.ok(time < 1000, `the page was held up for ${time} ms`);
  });
  await shot(page, 'cpu-running');
  await check('live panels are hidden, draw nothing then, and come back', async () => {
    await page.click('#fold');
    assert.equal(await page.isVisible('#pairs'), false);
    // What is on its way is remembered, not drawn.
    const drawn = await text(page, '#views-step');
    await page.waitForTimeout(3_000);
    assert.equal(await text(page, '#views-step'), drawn);
    await page.click('#fold');
    await page.waitForFunction((old) => document.querySelector('#views-step').textContent !== old, drawn, { timeout: LONG });
    assert.ok((await colours(page, '#map')) > 10, 'the map has dots');
  });

  let paused = 0;
  await check('pauses, takes a single step, and resumes', async () => {
    await page.click('#pause');
    await phase(page, 'paused');
    paused = await stepNow(page);
    await page.waitForTimeout(1500);
    assert.equal(await stepNow(page), paused);
    await page.click('#step');
    await reachStep(page, paused + 1);
    await phase(page, 'paused');
    await page.waitForTimeout(500);
    assert.equal(await stepNow(page), paused + 1);
    await accessible(page);
    await page.click('#pause');
    await reachStep(page, paused + 4);
    await page.click('#pause');
    await phase(page, 'paused');
    paused = await stepNow(page);
  });
  // Curves are drawn twice a second.
  await page.waitForFunction((step) => document.querySelector('#loss-plot').getAttribute('aria-label').includes(`step ${step}`), paused, { timeout: LONG });
  await check('a save that was cut off does not harm', async () => {
    await page.evaluate(async () => {
      const home = await (await navigator.storage.getDirectory()).getDirectoryHandle('parallax');
      for await (const run of home.values()) {
        const torn = await run.getDirectoryHandle('999999', { create: true });
        await torn.getFileHandle('weights.safetensors', { create: true });
      }
    });
  });
  await check('a reload keeps the run, and continues it at its step with its curves', async () => {
    await page.reload();
    await page.waitForSelector('.notice >> text=A run is waiting');
    await phase(page, 'idle');
    await shot(page, 'cpu-reloaded');
    assert.match(await text(page, '#runs tr'), new RegExp(`${paused} of 2000`));
    await page.click('#runs >> text=Continue');
    await phase(page, 'running');
    assert.ok((await stepNow(page)) >= paused);
    await reachStep(page, paused + 2);
    assert.ok((await page.$eval('#steps', (dd) => dd.textContent)).includes('2,000'));
  });
  let shown = 0;
  await check('stops, and shows the table', async () => {
    await page.click('#stop');
    const rows = await table(page);
    assert.deepEqual(rows.map(([name]) => name), ['This network, trained', 'The same network, untrained', 'Raw pixels']);
    for (const [, knn, linear] of rows) assert.match(`${knn} ${linear}`, /^\d+\.\d % \d+\.\d %$/);
    shown = Number.parseFloat(rows[0][1]);
    assert.match(await text(page, '#summary'), /Stopped early/);
    await page.waitForTimeout(500);
    await shot(page, 'cpu-stopped', { fullPage: true });
  });

  const folder = await mkdtemp(join(tmpdir(), 'parallax-'));
  const tar = join(folder, 'run.tar');
  const weights = join(folder, 'weights.safetensors');
  let unpacked = '';
  await check('downloads the four files and the weights', async () => {
    const archive = await download(page, () => page.click('#result >> text=Download .tar'));
    assert.match(archive.name, /^byol-tiny-\d+-\d+-step-\d+\.tar$/);
    const files = untar(archive.bytes);
    const [run] = [...files.keys()][0].split('/');
    const step = /step-(\d+)/.exec(archive.name)[1];
    const inside = (name) => files.get(`${run}/checkpoints/step-${step}/${name}`);
    assert.deepEqual([...files.keys()].sort(), [...['recipe.toml', 'run.json', 'events.jsonl'], ...FILES.map((name) => `checkpoints/step-${step}/${name}`)].map((name) => `${run}/${name}`).sort());
    for (const [name, bytes] of files) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), bytes);
    }
    unpacked = join(folder, run);
    const single = await download(page, () => page.click('#result >> text=weights.safetensors'));
    assert.equal(single.name, 'weights.safetensors');
    assert.ok(single.bytes.equals(inside('weights.safetensors')));
    assert.match(inside('recipe.toml').toString(), /total_steps = 2000/);
    await writeFile(tar, archive.bytes);
    await writeFile(weights, single.bytes);
  });
  const says = (words) => page.waitForFunction((want) => document.querySelector('#load-state').textContent.includes(want), words, { timeout: LONG });
  await check('the command line finds the same accuracy in the download', async () => {
    const { knn } = JSON.parse(await parallax('knn', '--weights', unpacked, ...NEIGHBOURS, '--json'));
    say(`page ${shown} %, command line ${knn.toFixed(1)} %`);
    assert.ok(Math.abs(knn - shown) <= 0.25, `${knn} is not ${shown}`);
  });
  await check('loads a checkpoint of the command line', async () => {
    const run = join(folder, 'native');
    await parallax('pretrain', '--out', run, ...['run.total_steps=4', 'probe.table=false', 'probe.knn_every=0'].flatMap((value) => ['--set', value]));
    const saved = join(run, 'checkpoints', 'step-4', 'weights.safetensors');
    const { knn } = JSON.parse(await parallax('knn', '--weights', saved, ...NEIGHBOURS, '--json'));
    await page.setInputFiles('#load-input', saved);
    await says('MoCo v2+: kNN accuracy');
    const told = Number.parseFloat(/accuracy ([\d.]+) %/.exec(await text(page, '#load-state'))[1]);
    assert.ok(Math.abs(knn - told) <= 0.25, `${told} is not ${knn}`);
  });
  await check('loads weights alone, a whole checkpoint, and refuses damaged ones', async () => {
    await page.setInputFiles('#load-input', weights);
    await says('BYOL: kNN accuracy');
    assert.match(await text(page, '#load-state'), /BYOL: kNN accuracy \d+\.\d %/);
    await page.setInputFiles('#load-input', tar);
    await says('It is among the saved runs');
    await page.waitForFunction(() => document.querySelectorAll('#runs tr').length === 2, null, { timeout: LONG });
    await page.setInputFiles('#load-input', { name: 'weights.safetensors', mimeType: '', buffer: Buffer.from('not weights') });
    await page.waitForSelector('.notice.error');
    assert.equal(await page.evaluate(() => document.body.dataset.phase), 'idle');
    await shot(page, 'cpu-loaded', { fullPage: true });
  });
  await check('deletes a run', async () => {
    await page.click('#runs tr:first-child >> text=Delete');
    await page.waitForFunction(() => document.querySelectorAll('#runs tr').length === 1);
  });
  await check('a short run ends by itself, with the other method', async () => {
    await page.goto(`${address}?method=moco-v2-plus&steps=6&batch=8&seed=7`);
    await start(page);
    assert.equal((await table(page)).length, 3);
    assert.equal(await text(page, '#state'), 'Done');
    assert.match(await text(page, '#steps'), /6 \/ 6/);
    assert.match(page.url(), /seed=7/);
  });
  assert.deepEqual(faults, []);
  await context.close();
}
