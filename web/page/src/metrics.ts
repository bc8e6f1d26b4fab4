import type { Metric } from 'parallax-web';

/** The value of a metric by its key; NaN where it was not measured. */
export const valueOf = (metrics: Metric[], key: string): number => metrics.find((metric) => metric.key === key)?.value ?? Number.NaN;
