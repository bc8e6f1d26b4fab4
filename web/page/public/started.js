// Where the page's own program does not even begin, it says so. The program removes what this waits for by setting a phase.
addEventListener(
  'error',
  ({ message, target }) => {
    const state = document.querySelector('#state');
    if (!state || document.body.dataset.phase) return;
    const reason = message || `${target.src ?? 'a file'} could not be loaded`;
    state.textContent = `The page could not be started (${reason}). Current versions of Chrome, Edge, Firefox and Safari run it.`;
  },
  true,
);
