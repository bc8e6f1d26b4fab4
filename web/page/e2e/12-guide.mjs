/** Presets, the tour, and links that set everything up. */
import assert from 'node:assert/strict';
import { open } from './browser.mjs';
import { accessible, noSideways } from './looks.mjs';
import { LONG, phase, start, table, text } from './steps.mjs';

export const title = 'presets, tour and links';
export const small = true;

/** A context in which presets take a few steps only. */
async function hurried(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await context.route('**/assets/*.js', async (route) => {
    const answer = await route.fetch();
    const code = await answer.text();
    await route.fulfill({ response: answer, body: code.replaceAll(/steps:(200|300|400|500)\b/g, 'steps:5') });
  });
  return context;
}

export default async function ({ browser, address, shot, check }) {
  await check('a link sets every knob, says what it did not understand, and is ready to start', async () => {
    const { page, faults } = await open(await browser.newContext(), `${address}?method=moco-v2-plus&device=cpu&steps=3&batch=8&lr=0.2&ema=0.9&temperature=0.1&decay=0&classes=20&views=supervised&predictor=false&speed=9`);
    await phase(page, 'idle');
    await page.waitForSelector('.notice.warning >> text=speed=9');
    for (const [name, value] of [['lr', '0.2'], ['ema', '0.9'], ['temperature', '0.1'], ['decay', '0'], ['classes', '20']]) {
      assert.equal(await page.inputValue(`[name=${name}]`), value);
    }
    assert.equal(await page.inputValue('[name=views]'), 'supervised');
    assert.equal(await page.isVisible('#knob-temperature'), true);
    await page.check('input[value=byol]');
    assert.equal(await page.isVisible('#knob-temperature'), false);
    assert.match(page.url(), /lr=0\.2.*views=supervised/);
    assert.doesNotMatch(page.url(), /temperature|speed/);
    await page.check('input[value=moco-v2-plus]');
    assert.match(page.url(), /temperature=0\.1/);
    await start(page);
    await table(page);
    const toml = await page.evaluate(async () => {
      const home = await (await navigator.storage.getDirectory()).getDirectoryHandle('parallax');
      for await (const run of home.values()) {
        let newest = null;
        for await (const entry of run.values()) newest = entry;
        return (await (await newest.getFileHandle('recipe.toml')).getFile()).text();
      }
    });
    for (const line of ['base_lr = 0.2', 'momentum = 0.9', 'temperature = 0.1', 'weight_decay = 0', 'class_ratio = 0.2', 'pipeline = "supervised"', 'predictor = false']) {
      assert.ok(toml.includes(line), `${line} in ${toml}`);
    }
    assert.deepEqual(faults, []);
    await page.context().close();
  });
  await check('a preset sets the knobs, says what to look at, and runs one after another', async () => {
    const { page, faults } = await open(await hurried(browser), `${address}?device=cpu&batch=8`);
    await phase(page, 'idle');
    assert.equal(await page.locator('#presets button').count(), 3);
    await page.click('[data-preset=collapse]');
    await phase(page, 'running');
    assert.match(await text(page, '#experiment-watch'), /spread/);
    await page.waitForFunction(() => document.querySelectorAll('#experiment .outcome').length === 1, null, { timeout: LONG });
    assert.match(page.url(), /predictor=false/);
    await page.waitForFunction(() => document.querySelector('#spread-plot').getAttribute('aria-label').includes('behind it, BYOL'), null, { timeout: LONG });
    await page.waitForFunction(() => document.querySelectorAll('#experiment .outcome').length === 2, null, { timeout: LONG });
    assert.match(await text(page, '#experiment-state'), /BYOL: kNN \d+\.\d %.*BYOL without predictor: kNN \d+\.\d %.*spread \d/s);
    await phase(page, 'idle');
    await accessible(page);
    await shot(page, 'preset-done');
    await page.click('text=Compare the runs');
    await page.waitForFunction(() => document.querySelectorAll('#compare-names li').length === 2);
    await page.click('#experiment-close');
    assert.equal(await page.isVisible('#experiment'), false);
    assert.deepEqual(faults, []);
    await page.context().close();
  });
  await check('the tour begins a run, is walked by keyboard, and is skipped by Escape', async () => {
    const { page, faults } = await open(await browser.newContext({ viewport: { width: 360, height: 740 } }), `${address}?device=cpu&steps=400&batch=8`);
    await phase(page, 'idle');
    await page.focus('#tour-start');
    await page.keyboard.press('Enter');
    await phase(page, 'running');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'tour');
    const seen = [];
    for (let stop = 0; stop < 5; stop++) {
      seen.push(await text(page, '#tour-title'));
      await noSideways(page);
      if (stop === 1) await accessible(page);
      await page.focus('#tour-next');
      await page.keyboard.press('Enter');
    }
    assert.deepEqual(seen, ['Two views', 'Two networks', 'The loss', 'The spread', 'kNN accuracy']);
    assert.equal(await page.isVisible('#tour'), false);
    await page.click('#tour-start');
    await page.keyboard.press('Escape');
    assert.equal(await page.isVisible('#tour'), false);
    await phase(page, 'running');
    assert.deepEqual(faults, []);
    await page.context().close();
  });
}
