/** A browser without a locale names its language C or POSIX, which is no language to `Intl`, and uPlot takes it at its word. Imported before that. */
try {
  Intl.getCanonicalLocales(navigator.language);
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en' });
}
