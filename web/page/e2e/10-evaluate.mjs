/** Evaluation of the encoder during and after a run, weight norms and NormRescale, and the small study. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { colours, download, LONG, phase, reachStep, start, stepNow, table, text } from './steps.mjs';

/** Held-out pictures of each of the sample's ten classes. */
const OF_A_CLASS = 50;

export const title = 'evaluation, norms and the small study';

const cells = (page, selector) => page.$$eval(`${selector} tbody tr`, (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));

/** The counts of the confusion matrix, row by row. */
async function confusion(page) {
  const rows = await cells(page, '#confusion');
  return rows.map(([, ...counts]) => counts.map(Number));
}

async function isWhole(page) {
  const counts = await confusion(page);
  assert.equal(counts.length, 10);
  for (const row of counts) assert.equal(row.reduce((sum, count) => sum + count, 0), OF_A_CLASS);
  const correct = counts.reduce((sum, row, at) => sum + row[at], 0);
  assert.equal(await text(page, '#confusion-note'), `${((100 * correct) / (10 * OF_A_CLASS)).toFixed(1)} %`);
  return counts;
}

const tipShown = (page) => page.isVisible('#scatter-tip');

/** Moves the pointer over the map until it finds a dot. */
async function pointAtDot(page) {
  await page.locator('#scatter').scrollIntoViewIfNeeded();
  const box = await page.locator('#scatter').boundingBox();
  for (let at = 0; at < 200; at++) {
    const [x, y] = [0.5 + 0.35 * Math.cos(at), 0.5 + (0.35 * (at % 20)) / 20];
    await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
    // The browser hands moves of the pointer over once a frame.
    await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
    if (await tipShown(page)) return text(page, '#scatter-text');
  }
  throw new Error('no dot was found on the map');
}

/** Class of the query, and of each encoder's neighbours: how many, how many marked, how many told. */
async function near(page) {
  const told = await page.$$eval('#near-rows .near-row', (rows) =>
    rows.map((row) => [row.dataset.encoder, row.querySelectorAll('li').length, row.querySelectorAll('.same').length, row.querySelector('p').textContent]),
  );
  return { title: await text(page, '#near-title'), told };
}

async function isNear(page) {
  const found = await near(page);
  assert.deepEqual(found.told.map(([encoder]) => encoder), ['trained', 'random']);
  for (const [, all, same, words] of found.told) {
    assert.equal(all, 8);
    assert.ok(words.includes(`${same} of 8 of the same class`), words);
  }
  const name = found.title.split(',')[0];
  const same = await page.$$eval('#near-rows .same span', (spans) => spans.map((span) => span.textContent));
  for (const one of same) assert.equal(one, name);
  return found;
}

/** L2 norms of the tensors of a safetensors file. */
function normsIn(bytes) {
  const size = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...tensors } = JSON.parse(bytes.subarray(8, 8 + size).toString());
  const norms = Object.entries(tensors).map(([name, { dtype, data_offsets: [from, to] }]) => {
    assert.ok(dtype === 'F32' || dtype === 'I64', dtype);
    if (dtype === 'I64') return [name, 0];
    let squares = 0;
    for (let at = 8 + size + from; at < 8 + size + to; at += 4) squares += bytes.readFloatLE(at) ** 2;
    return [name, Math.sqrt(squares)];
  });
  return { metadata, norms: new Map(norms) };
}

export default async function ({ browser, address, shot, check, say }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
  const { page, faults } = await open(context, `${address}?device=cpu&steps=60&batch=16`);
  await check('the evaluation is hidden until there is an encoder', async () => {
    await phase(page, 'idle');
    assert.equal(await page.isVisible('#evaluation'), false);
    assert.equal(await page.isVisible('#norms'), false);
    assert.equal(await page.isVisible('#study-results'), false);
  });
  await check('an encoder in training is evaluated between its steps', async () => {
    await start(page);
    await reachStep(page, 2);
    await page.click('#evaluate');
    const before = await stepNow(page);
    await page.waitForSelector('#evaluation-body:not([hidden])', { timeout: LONG });
    const after = await stepNow(page);
    say(`${after - before} steps were taken while the features were computed`);
    assert.ok(after > before + 5, `steps ${before} to ${after}`);
    await page.waitForSelector('#confusion tbody tr');
    await isWhole(page);
    assert.ok((await colours(page, '#scatter')) > 10, 'the map has dots');
  });
  await check('the encoder at the end of the run is another one', async () => {
    await table(page);
    await phase(page, 'idle');
    await page.click('text=Evaluate again at step 60');
    await page.waitForFunction(() => document.querySelector('#evaluate-step').textContent === 'step 60', null, { timeout: LONG });
    assert.equal(await page.isVisible('#evaluate'), false);
    await page.waitForSelector('#confusion tbody tr');
  });
  await check('the matrix has the accuracy of the table, and is another one for the untrained encoder', async () => {
    const trained = await isWhole(page);
    const rows = await table(page);
    assert.equal(await text(page, '#confusion-note'), rows[0][1]);
    await page.check('input[name=encoder][value=random]');
    await page.waitForFunction((want) => document.querySelector('#confusion-note').textContent === want, rows[1][1]);
    assert.notDeepEqual(await isWhole(page), trained);
    await page.check('input[name=encoder][value=trained]');
  });
  await check('a dot shows its picture, and a click its nearest training pictures', async () => {
    const name = await pointAtDot(page);
    assert.ok((await colours(page, '#scatter-picture')) > 20, 'the picture is drawn');
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForSelector('#near-body:not([hidden])');
    assert.equal((await isNear(page)).title.split(',')[0], name);
    assert.ok((await colours(page, '#near-rows canvas')) > 20, 'a training picture is drawn');
  });
  await check('the filters, the activation maps and the attention on that picture are shown', async () => {
    const picture = (await text(page, '#near-title')).replace(/.*picture /, '');
    await page.waitForFunction((want) => document.querySelector('#seen-title-note').textContent.endsWith(`picture ${want}`), picture, { timeout: LONG });
    assert.equal(await page.locator('#seen-attention canvas').count(), 3);
    for (const label of await page.$$eval('#seen-attention figure:nth-child(n + 2) canvas', (all) => all.map((one) => one.getAttribute('aria-label')))) assert.match(label, /comes from the (top|middle|bottom) (left|centre|right)/);
    assert.deepEqual(await page.$$eval('#seen-filters ul', (all) => all.map((one) => one.children.length)), [32, 32]);
    assert.ok((await page.locator('#seen-maps .seen-stage').count()) >= 3);
    assert.ok((await colours(page, '#seen-filters canvas')) >= 5 && (await colours(page, '#seen-maps canvas')) > 5, 'filters and maps are drawn');
    await page.locator('#seen').screenshot({ path: 'e2e/shots/seen.png' });
  });
  await check('the same by keyboard', async () => {
    const { title: before } = await near(page);
    await page.mouse.move(0, 0);
    await page.focus('#encoder-label ~ .segments input:checked');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'scatter');
    assert.equal(await tipShown(page), true);
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowUp', 'ArrowRight']) await page.keyboard.press(key);
    const said = await text(page, '#scatter-said');
    assert.match(said, /^Picture \d+, \w+\. Enter shows/);
    await page.keyboard.press('Enter');
    await page.waitForFunction((old) => document.querySelector('#near-title').textContent !== old, before);
    const index = /Picture (\d+)/.exec(said)[1];
    assert.ok((await isNear(page)).title.endsWith(`picture ${index}`));
  });
  await check('a linear classifier is trained, and its matrix has the accuracy of the curve', async () => {
    assert.equal(await page.isDisabled('#classifier-linear'), true);
    await page.click('#linear-start');
    await page.waitForSelector('#linear-start', { state: 'hidden', timeout: LONG });
    const words = await page.getAttribute('#linear-plot', 'aria-label');
    const [, trained] = /trained (\d+\.\d %), untrained \d+\.\d % after epoch 60 of 60$/.exec(words);
    assert.ok(Number.parseFloat(trained) > 15, words);
    await page.check('#classifier-linear', { force: true });
    await page.waitForFunction((want) => document.querySelector('#confusion-note').textContent === want, trained);
    await isWhole(page);
    assert.ok((await colours(page, '#linear-plot canvas')) > 2, 'the curve is drawn');
  });
  await check('looks', async () => {
    for (const [name, width, colorScheme] of [['desktop', 1280, 'light'], ['dark', 1280, 'dark'], ['phone', 390, 'light']]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(400);
      await noSideways(page);
      await accessible(page);
      await page.locator('#evaluation').screenshot({ path: new URL(`./shots/evaluate-${name}.png`, import.meta.url).pathname });
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: 'light' });
  });

  await check('norms of the run now and before training', async () => {
    await page.click('#norms-compare');
    await page.waitForSelector('#norms-table tbody tr');
    const rows = await cells(page, '#norms-table');
    assert.equal(rows[0][0], 'conv1.weight');
    assert.ok(rows.length > 8, `${rows.length} layers`);
    for (const [name, now, before, ratio] of rows) {
      assert.ok(Number(now) > 0 && Number(before) > 0, name);
      assert.ok(Math.abs(Number(now) / Number(before) - Number(ratio)) < 0.006, `${name}: ${now} over ${before} is not ${ratio}`);
    }
    assert.ok(rows.some(([, now, before]) => now !== before), 'training has changed norms');
  });
  const folder = await mkdtemp(join(tmpdir(), 'parallax-'));
  await check('NormRescale gives the norms of the anchor, in a file that the command line reads', async () => {
    const file = await download(page, () => page.click('#norms-rescale'));
    assert.equal(file.name, 'rescaled.safetensors');
    const { metadata, norms } = normsIn(file.bytes);
    assert.match(metadata.recipe, /name = "byol"/);
    const rows = await cells(page, '#norms-table');
    for (const [name, , anchor, rescaled] of rows) {
      assert.equal(rescaled, anchor, name);
      const found = norms.get(`online_encoder.${name}`);
      assert.ok(Math.abs(found - Number(anchor)) < 1e-3 * Number(anchor), `${name}: ${found}, not ${anchor}`);
    }
    assert.match(await text(page, '#norms-note'), /^\d+ tensors now have the norms of the anchor/);
    await page.locator('#norms').screenshot({ path: new URL('./shots/norms.png', import.meta.url).pathname });
    const weights = join(folder, 'rescaled.safetensors');
    await writeFile(weights, file.bytes);
    const { stdout } = await promisify(execFile)(process.env.PARALLAX ?? 'parallax', ['norm-rescale', '--weights', weights, '--anchor', weights, '--out', join(folder, 'again.safetensors'), '--json']);
    assert.ok(JSON.parse(stdout).rescaled.includes('online_encoder.conv1.weight'));
  });
  await check('a saved run is evaluated after a reload, and compared with the run on the page', async () => {
    await page.reload();
    await phase(page, 'idle');
    await page.click('#runs tr:first-child >> text=Evaluate');
    await page.waitForSelector('#evaluation-body:not([hidden])', { timeout: LONG });
    assert.equal(await text(page, '#evaluate-step'), 'step 60');
    await page.waitForSelector('#confusion tbody tr');
    await isWhole(page);
    assert.equal(await text(page, '#confusion-note'), (await table(page))[0][1]);
    await page.selectOption('#norms-weights', { index: 0 });
    await page.selectOption('#norms-anchor', { index: 2 });
    await page.click('#norms-compare');
    await page.waitForSelector('#norms-table tbody tr');
    for (const [name, now, saved] of await cells(page, '#norms-table')) if (!name.startsWith('fc')) assert.equal(now, saved, name);
  });

  await check('a study fills its figure', async () => {
    await page.fill('#study-steps', '8');
    await page.click('#study-start');
    await page.waitForSelector('#study-figure rect', { timeout: LONG });
    assert.equal(await page.isVisible('#study-stop'), true);
    await page.waitForFunction(() => document.querySelectorAll('#study-figure rect.done').length === 4, null, { timeout: LONG });
    await phase(page, 'idle');
    const rows = await cells(page, '#study-table');
    assert.deepEqual(rows.map(([method, ratio, , , , state]) => [method, ratio, state]), [
      ['BYOL', '20 % of the classes', 'done'],
      ['MoCo v2+', '20 % of the classes', 'done'],
      ['BYOL', 'all classes', 'done'],
      ['MoCo v2+', 'all classes', 'done'],
    ]);
    for (const [, , ...accuracies] of rows) for (const one of accuracies.slice(0, 3)) assert.match(one, /^\d+\.\d %$/);
    assert.match(await page.getAttribute('#study-figure svg', 'aria-label'), /BYOL, 20 % of the classes: \d+\.\d %; MoCo v2\+/);
    assert.match(await text(page, '#study-note'), /^4 of 4 runs done, 8 steps each/);
    assert.ok((await text(page, '#runs')).includes('20 % of the classes'));
    await accessible(page);
    await page.locator('#study').screenshot({ path: new URL('./shots/study.png', import.meta.url).pathname });
  });
  await check('a study survives a reload, can be stopped, and goes on', async () => {
    await page.reload();
    await phase(page, 'idle');
    assert.equal(await page.locator('#study-figure rect.done').count(), 4);
    await page.fill('#study-steps', '300');
    await page.click('#study-start');
    await phase(page, 'running');
    await reachStep(page, 1);
    await page.click('#study-stop');
    await phase(page, 'idle');
    assert.match(await text(page, '#study-note'), /^0 of 4 runs done/);
    assert.match((await cells(page, '#study-table'))[0][5], /^stopped at step \d+$/);
    assert.equal(await text(page, '#study-start'), 'Start the study');
    await shot(page, 'study-stopped', { fullPage: true });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.waitForTimeout(300);
    await noSideways(page);
    await accessible(page);
    await page.locator('#study').screenshot({ path: new URL('./shots/study-phone-dark.png', import.meta.url).pathname });
  });
  assert.deepEqual(faults, []);
  await context.close();
}
