/** The curve of the similarity of views over training. */
import type { History } from 'parallax-web';
import { Curve } from './curve';
import { byId } from './dom';
import { whenShown } from './live';

type Point = NonNullable<History['views']>[number];

const now = byId('similarity-now');
const legend = byId('similarity-legend');
const curve = new Curve('similarity', [{ key: 'view-1', dots: true }, { key: 'muted', dots: true }], (value) => value.toFixed(1), (least) => [Math.min(0, least), 1]);

let points: Point[] = [];

function draw(): void {
  const last = points.at(-1);
  legend.hidden = !last;
  now.textContent = last ? `${last[1].toFixed(2)} / ${last[2].toFixed(2)}` : '';
  const words = last ? `Similarity of views: ${last[1].toFixed(2)} of the same picture, ${last[2].toFixed(2)} of different ones, at step ${last[0]}` : 'Similarity of views, empty';
  curve.set([points.map(([step]) => step), points.map(([, same]) => same), points.map(([, , other]) => other)], words);
}

export function restoreSimilarity(history: History): void {
  points = [...(history.views ?? [])];
  draw();
}

export function addSimilarity(...point: Point): void {
  if (points.at(-1)?.[0] === point[0]) points.pop();
  points.push(point);
  whenShown('similarity', draw);
}

export const similarities = (): Point[] => points;
