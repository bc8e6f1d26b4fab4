/** The run table: comparing, sorting, names, filter, exports, undo, archives both ways, and a full storage. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { colours, download, LONG, phase, start, table, text, untar } from './steps.mjs';

/** The command line, which `cargo xtask test` builds and names. */
const parallax = async (...args) => (await promisify(execFile)(process.env.PARALLAX ?? 'parallax', args)).stdout;

export const title = 'the run table';

const rows = (page) => page.$$eval('#runs th', (cells) => cells.map((cell) => cell.textContent));
const many = (page, count) => page.waitForFunction((want) => document.querySelectorAll('#runs tr').length === want, count, { timeout: LONG });
const pick = (page, row) => page.click(`#runs tr:nth-child(${row}) .compare`);

export default async function ({ browser, address, shot, check, say }) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
  const { page, faults } = await open(context, `${address}?device=cpu&steps=12&batch=8`);
  await check('two runs are saved and compared: curves, figures, recipes', async () => {
    await start(page);
    await table(page);
    await page.goto(`${address}?device=cpu&method=moco-v2-plus&steps=8&batch=8`);
    await start(page);
    await table(page);
    await phase(page, 'idle');
    await many(page, 2);
    assert.equal(await page.isVisible('#compare'), false);
    await pick(page, 1);
    await page.waitForSelector('#compare-names li');
    assert.equal(await page.isVisible('#compare-hint'), true);
    await pick(page, 2);
    await page.waitForFunction(() => document.querySelectorAll('#compare-names li').length === 2);
    assert.equal(await page.isVisible('#compare-hint'), false);
    const spoken = await page.getAttribute('#compare-knn-plot', 'aria-label');
    assert.match(spoken, /MoCo v2\+.* \d+\.\d % at step 8; BYOL.* \d+\.\d % at step 12/);
    assert.match(await page.getAttribute('#compare-loss-plot', 'aria-label'), /step 8; BYOL.*step 12/);
    for (const plot of ['knn', 'loss', 'spread']) {
      await page.waitForSelector(`#compare-${plot}-plot canvas`);
      assert.ok((await colours(page, `#compare-${plot}-plot canvas`)) > 2, `${plot} has lines`);
    }
    const figures = await page.$$eval('#compare-figures tbody tr', (all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.equal(figures.length, 2);
    for (const [, , ...values] of figures) for (const value of values) assert.match(value, /^\d+\.\d+( %)?$/);
    const keys = await page.$$eval('#compare-differences tbody th', (cells) => cells.map((cell) => cell.textContent));
    assert.ok(keys.includes('method.name') && keys.includes('run.total_steps') && !keys.includes('run.seed'), keys.join());
  });
  await check('looks right from 360 px on, and axe finds nothing', async () => {
    for (const width of [1440, 1024, 768, 360]) {
      await page.setViewportSize({ width, height: 900 });
      await noSideways(page);
      await page.waitForTimeout(300);
      await accessible(page);
      await page.locator('#saved').screenshot({ path: `e2e/shots/runs-${width}.png` });
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });
  await check('sorts, renames, filters', async () => {
    const byName = page.locator('[data-sort=Run]');
    await byName.click();
    assert.deepEqual(await rows(page), ['BYOL · Tiny', 'MoCo v2+ · Tiny']);
    await byName.click();
    assert.deepEqual(await rows(page), ['MoCo v2+ · Tiny', 'BYOL · Tiny']);
    assert.equal(await page.getAttribute('#runs-head th:nth-child(2)', 'aria-sort'), 'descending');
    await page.click('#runs tr:nth-child(1) >> text=Rename');
    await page.keyboard.type('the second, "quoted"');
    await page.keyboard.press('Enter');
    assert.deepEqual(await rows(page), ['the second, "quoted"', 'BYOL · Tiny']);
    await page.selectOption('#runs-method', 'byol');
    assert.deepEqual(await rows(page), ['BYOL · Tiny']);
    await page.selectOption('#runs-method', '');
    await page.reload();
    await many(page, 2);
    assert.ok((await rows(page)).includes('the second, "quoted"'));
  });
  await check('exports CSV and JSON', async () => {
    const csv = (await download(page, () => page.click('#runs-csv'))).bytes.toString().trim().split('\n');
    assert.equal(csv.length, 3);
    assert.match(csv[0], /^run,name,method,/);
    assert.ok(csv.some((line) => line.includes('"the second, ""quoted"""')));
    const json = JSON.parse((await download(page, () => page.click('#runs-json'))).bytes.toString());
    assert.deepEqual(json.map(({ step }) => step).sort(), [12, 8]);
    assert.equal(json.find(({ step }) => step === 8).steps.length, 8);
  });
  const folder = await mkdtemp(join(tmpdir(), 'parallax-'));
  await check('an exported run is a folder of the command line, and comes back with its curves', async () => {
    const archive = await download(page, () => page.click('#runs tr:has-text("BYOL") >> text=Download .tar'));
    let run = '';
    for (const [name, bytes] of untar(archive.bytes)) {
      [run] = name.split('/');
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), bytes);
    }
    // The run is over: resuming it evaluates it, and adds the same figures to the log.
    await parallax('pretrain', '--resume', '--out', join(folder, run), '--device', 'cpu');
    const tables = (await readFile(join(folder, run, 'events.jsonl'), 'utf8')).split('\n').filter((line) => line.includes('"done"')).map((line) => JSON.parse(line).table);
    say(`tables of the page and the command line: ${JSON.stringify(tables)}`);
    assert.ok(tables.length >= 1);
    const last = tables.at(-1).find(({ encoder }) => encoder === 'trained');
    const shown = await page.textContent('#runs tr:has-text("BYOL") td[data-label=kNN]');
    assert.ok(Math.abs(Number.parseFloat(shown) - last.knn) <= 0.6, `${shown} is not ${last.knn}`);
    await phase(page, 'idle');
    await page.setInputFiles('#load-input', { name: archive.name, mimeType: 'application/x-tar', buffer: archive.bytes });
    await many(page, 3);
    const json = JSON.parse((await download(page, () => page.click('#runs-json'))).bytes.toString());
    const twins = json.filter(({ step }) => step === 12);
    assert.equal(twins.length, 2);
    assert.deepEqual(twins[0].steps, twins[1].steps);
    assert.equal(twins[0].final_linear, twins[1].final_linear);
  });
  await check('a run folder of the command line is shown in the same table, and continued', async () => {
    const run = join(folder, 'native-demo');
    await parallax('pretrain', 'page/byol-tiny', '--out', run, '--device', 'cpu', ...['run.total_steps=6', 'run.batch_size=8', 'checkpoint.every_steps=3'].flatMap((value) => ['--set', value]));
    await phase(page, 'idle');
    await page.setInputFiles('#load-folder-input', run);
    await many(page, 4);
    const row = page.locator('#runs tr:has-text("6 of 6")');
    assert.match(await row.textContent(), /\d+\.\d %/);
    await row.locator('text=Show').click();
    await page.waitForFunction(() => /at step 6/.test(document.querySelector('#loss-plot').getAttribute('aria-label')));
  });
  await check('a deleted run comes back by Undo, and goes without it', async () => {
    await page.click('#runs tr:has-text("6 of 6") >> text=Delete');
    await many(page, 3);
    await page.click('.notice >> text=Undo');
    await many(page, 4);
    await page.click('#runs tr:has-text("6 of 6") >> text=Delete');
    await page.reload();
    await many(page, 3);
    await phase(page, 'idle');
    const left = await page.evaluate(async () => {
      const names = [];
      for await (const name of (await (await navigator.storage.getDirectory()).getDirectoryHandle('parallax')).keys()) names.push(name);
      return names.length;
    });
    assert.equal(left, 3);
  });
  await check('the browser is asked to keep the runs, and its answer is shown', async () => {
    await page.click('#storage >> text=Ask the browser to keep them');
    await page.waitForSelector('#storage >> text=/The browser has refused/');
    await page.reload();
    // A headless browser grants nothing.
    await page.evaluate(() => {
      StorageManager.prototype.persist = async () => true;
      StorageManager.prototype.persisted = async () => true;
    });
    await page.click('#storage >> text=Ask the browser to keep them');
    await page.waitForSelector('#storage >> text=/keeps them until you delete them/');
    await page.reload();
    await phase(page, 'idle');
  });
  await check('a full storage is a message and a choice, and nothing is lost', async () => {
    assert.match(await text(page, '#storage'), /used, .* left/);
    const devtools = await context.newCDPSession(page);
    const { usage } = await page.evaluate(() => navigator.storage.estimate());
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(address).origin, quotaSize: usage + 1_000_000 });
    await page.goto(`${address}?device=cpu&steps=4000&batch=8&seed=3`);
    await start(page);
    const notice = page.locator('.notice.warning', { hasText: 'its storage is full' });
    await notice.waitFor({ timeout: LONG });
    await shot(page, 'storage-full');
    await accessible(page);
    const { bytes } = await download(page, () => page.click('#runs-held >> text=Download .tar'));
    assert.ok(untar(bytes).size >= 5);
    await notice.locator('text=/Delete the oldest run/').click();
    // The next checkpoint may not fit again.
    await page.waitForFunction(() => document.querySelectorAll('#runs-held li').length === 0, null, { timeout: LONG });
    await page.waitForSelector('#runs .badge', { timeout: LONG });
    await page.click('#stop');
    await table(page);
    await many(page, 3);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(address).origin });
  });
  assert.deepEqual(faults, []);
  await context.close();
}
