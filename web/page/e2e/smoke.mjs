/**
 * What every engine must do: start, train, pause, resume, save, continue after a reload; without private files, say that nothing is
 * kept, offer the run for download, and start again after a reload. An engine gives `version`, `open`, `evaluate`,
 * `until`, `errors` and `close` (`firefox.mjs`, `webkit.mjs`).
 */
import assert from 'node:assert/strict';

const phase = (...names) => `${JSON.stringify(names)}.includes(document.body.dataset.phase)`;
const STEP = "Number(document.querySelector('#steps').textContent.split('/')[0].replace(/\\D/g, '') || 0)";
const press = (selector) => `void document.querySelector(${JSON.stringify(selector)}).click()`;
const text = (selector) => `document.querySelector(${JSON.stringify(selector)}).textContent`;

export async function smoke(engine, { address, check, say }) {
  const { open, evaluate, until } = engine;
  let keeps = true;
  await check('starts, trains, pauses, saves', async () => {
    await open(`${address}?device=cpu&steps=4000&batch=8`);
    await until(phase('idle'));
    keeps = await evaluate("typeof navigator.storage?.getDirectory === 'function'");
    say(`${engine.version}, ${keeps ? 'with' : 'without'} private files`);
    await evaluate(press('#start'));
    await until(`${STEP} >= 5`);
    say(`${await evaluate(text('#rate'))} images per second on ${await evaluate(text('#adapter'))}`);
    await evaluate(press('#pause'));
    await until(phase('paused'));
    if (keeps) return until("document.querySelectorAll('#runs tr').length === 1");
    assert.match(await evaluate(text('#saved-hint')), /no private file storage.*Download what you want to keep/);
    await until("/is in this tab alone.*Download/.test(document.querySelector('#runs-held').textContent)");
  });
  await check('resumes', async () => {
    const step = await evaluate(STEP);
    await evaluate(press('#pause'));
    await until(`${STEP} > ${step}`);
    await evaluate(press('#pause'));
    await until(phase('paused'));
  });
  await check('goes on after a reload, and shows the table', async () => {
    const step = await evaluate(STEP);
    await open(`${address}?device=cpu`);
    await until(phase('idle'));
    if (keeps) assert.ok((await evaluate(text('#runs'))).includes(`${step} of 4000`));
    await evaluate(!keeps ? press('#start') : `void [...document.querySelectorAll('#runs button')].find((one) => one.textContent === 'Continue').click()`);
    await until(keeps ? `${STEP} > ${step}` : `${STEP} > 0`);
    await evaluate(press('#stop'));
    await until("!document.querySelector('#result').hidden");
    assert.equal(await evaluate("document.querySelectorAll('#rows tr').length"), 3);
  });
  assert.deepEqual(engine.errors, []);
}

/** Waits until an expression is true in the page; an engine's `until`. */
export const patience = (evaluate, errors) => async (expression, seconds = 300) => {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; ) {
    if (await evaluate(expression).catch(() => false)) return;
    await new Promise((go) => setTimeout(go, 100));
  }
  const shown = await evaluate("[document.body.dataset.phase, document.querySelector('#state')?.textContent, document.querySelector('#notices')?.textContent].join(' | ')").catch(String);
  throw new Error(`${expression} has not become true; the page shows: ${shown}; errors: ${errors.join('; ')}`);
};
