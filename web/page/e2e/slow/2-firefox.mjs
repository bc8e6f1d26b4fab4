/** Firefox: starts, trains, pauses, resumes, saves, and continues after a reload. */
import { find, launch } from '../firefox.mjs';
import { smoke } from '../smoke.mjs';

export const title = 'Firefox';
export const small = true;

export default async function (test) {
  const executable = find();
  if (!executable) return test.say('not tested: there is no Firefox here. `cargo xtask setup --only firefox` installs it.');
  const firefox = await launch(executable);
  try {
    await smoke(firefox, test);
  } finally {
    await firefox.close();
  }
}
