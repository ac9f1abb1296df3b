// Where the time of a frame goes: a column for each second of the last minute,
// and a table of the same minute.

import { Chart, past } from './canvas.js';
import { STAGES } from './camera.js';
import { byId, element, say, ms } from './text.js';

const SECONDS = 60, LEFT = 40, AXIS = 20, NAMES = ['Capture', 'Decode', 'Preprocess', 'Infer', 'Publish'];
const HINTS = [
  'from the exposure until the pipeline takes the frame', 'from the camera’s format to rows of pixels',
  'to the size that the model takes', 'the model', 'until the message is with the broker’s link',
];

export class Stages {
  #camera = null;
  #rows = [];
  #scale = 1;
  #chart;

  constructor() {
    NAMES.forEach((name, i) => {
      const row = element('tr');
      const head = element('th', '', name);
      head.scope = 'row';
      head.title = HINTS[i];
      const median = element('td', '', '–'), high = element('td', '', '–');
      row.append(head, median, high);
      byId('stages-rows').append(row);
      this.#rows.push({ median, high });
    });
    this.#chart = new Chart(byId('stages-chart'), 100, (c, w, h, color) => this.#draw(c, w, h, color));
  }

  select(camera) {
    this.#camera = camera;
    this.table();
    this.#chart.redraw();
  }

  #recent(now) {
    return this.#camera ? this.#camera.points.filter(p => p.t > now - 1000 * SECONDS) : [];
  }

  /** Renews the numbers; twice a second is enough to read them. */
  table() {
    const points = this.#recent(Date.now());
    const sum = points.map(p => p.stages.reduce((a, b) => a + b, 0));
    say(byId('stages-total'), points.length ? ms(quantile(sum, .5)) : '–');
    this.#rows.forEach(({ median, high }, i) => {
      const values = points.map(p => p.stages[i]);
      say(median, values.length ? ms(quantile(values, .5)) : '–');
      say(high, values.length ? ms(quantile(values, .95)) : '–');
    });
  }

  #draw(c, width, height, color) {
    const now = Date.now();
    const seconds = new Map(); // whole second -> points
    for (const p of this.#recent(now + 1000)) {
      const s = Math.floor(p.t / 1000);
      if (!seconds.has(s)) seconds.set(s, []);
      seconds.get(s).push(p);
    }
    const columns = [...seconds].map(([s, points]) => ({
      s, stages: STAGES.map((_, i) => quantile(points.map(p => p.stages[i]), .5)),
    }));
    // One slow second must not flatten all others: columns that are much higher
    // than most are cut.
    const sums = columns.map(k => k.stages.reduce((a, b) => a + b, 0));
    const most = sums.length ? quantile(sums, .8) : 0;
    const wanted = ceiling(Math.max(Math.min(3 * most, Math.max(...sums, 0)), .1));
    this.#scale += (wanted - this.#scale) * .3; // the axis glides to its new end
    if (Math.abs(wanted - this.#scale) < .01 * wanted) this.#scale = wanted;
    const top = 8, floor = height - AXIS - 4;
    const y = value => floor - value / this.#scale * (floor - top);
    c.textAlign = 'right';
    c.lineWidth = 1;
    for (const value of [0, wanted / 2, wanted]) {
      const at = Math.round(y(value)) + .5;
      c.strokeStyle = color('line');
      c.beginPath();
      c.moveTo(LEFT, at);
      c.lineTo(width, at);
      c.stroke();
      c.fillStyle = color('soft');
      c.fillText(value ? String(+value.toPrecision(2)) : 'ms', LEFT - 10, at);
    }
    past(c, SECONDS, LEFT, width, height - AXIS / 2 + 3);
    const step = (width - LEFT) / SECONDS;
    c.save();
    c.beginPath();
    c.rect(LEFT, top, width - LEFT, floor - top);
    c.clip();
    for (const { s, stages } of columns) {
      const right = width - (now / 1000 - s - 1) * step;
      let base = 0;
      stages.forEach((value, i) => {
        c.fillStyle = color(`stage${i + 1}`);
        c.fillRect(right - step, y(base + value), Math.max(1, step - 1), y(base) - y(base + value));
        base += value;
      });
      if (base > 1.01 * this.#scale) { // the mark of a column that goes on
        c.fillStyle = color('card');
        c.fillRect(right - step, top + 4, Math.max(1, step - 1), 3);
      }
    }
    c.restore();
  }
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

// The next of 1, 2, 5, 10, 20, 50, …
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find(f => f * power >= value * .999);
}
