// The last minutes: how sure the model was, and which label was stable when.

import { Chart, past } from './canvas.js';
import { byId, element, say, clock, percent, span } from './text.js';

const BAND = 30, AXIS = 20, LEFT = 48, GAP = 10, TOP = 7;

export class Timeline {
  #canvas = byId('timeline-chart');
  #tip = byId('tip');
  #range = 180_000;
  #cursor = null; // milliseconds before now
  #camera = null;
  #chart;

  constructor() {
    this.#chart = new Chart(this.#canvas, 50, (c, w, h, color) => this.#draw(c, w, h, color));
    for (const input of document.querySelectorAll('#range input')) {
      input.addEventListener('change', () => {
        this.#range = 1000 * Number(input.value);
        this.#canvas.setAttribute('aria-valuemin', String(-input.value));
        this.#point(null);
      });
    }
    this.#canvas.addEventListener('pointermove', e => {
      const w = this.#canvas.clientWidth - LEFT;
      this.#point((1 - (e.offsetX - LEFT) / w) * this.#range);
    });
    this.#canvas.addEventListener('pointerleave', () => this.#point(null));
    this.#canvas.addEventListener('blur', () => this.#point(null));
    this.#canvas.addEventListener('keydown', e => {
      const step = this.#range / 60;
      const at = this.#cursor ?? 0;
      const moves = { ArrowLeft: at + step, ArrowDown: at + step, ArrowRight: at - step, ArrowUp: at - step, Home: this.#range, End: 0, Escape: null };
      if (!(e.key in moves)) return;
      e.preventDefault();
      this.#point(moves[e.key]);
    });
  }

  select(camera) {
    this.#camera = camera;
    this.#point(null);
    this.log();
  }

  /** Lists the last changes. */
  log() {
    const list = byId('changes');
    const recent = (this.#camera?.changes ?? []).slice(-5).reverse();
    const rows = recent.map(({ t, label, score }) => {
      const li = element('li');
      const when = element('time', '', clock(t));
      when.dateTime = new Date(t).toISOString();
      li.append(when, element('span', 'name', label), element('span', 'score', percent(score)));
      return li;
    });
    if (rows.map(r => r.textContent).join() !== [...list.children].map(r => r.textContent).join()) list.replaceChildren(...rows);
  }

  #point(before) {
    this.#cursor = before === null ? null : Math.min(this.#range, Math.max(0, before));
    this.#describe(Date.now());
    this.#chart?.redraw();
  }

  #describe(now) {
    const canvas = this.#canvas;
    if (this.#cursor === null || !this.#camera) {
      this.#tip.hidden = true;
      const state = this.#camera?.state;
      canvas.setAttribute('aria-valuenow', '0');
      canvas.setAttribute('aria-valuetext', state ? `now: ${state.label}, ${percent(state.score)}` : 'now');
      return;
    }
    const t = now - this.#cursor;
    const points = this.#camera.points;
    const i = points.findLastIndex(p => p.t <= t);
    const found = i >= 0 && !(this.#camera.gapAfter(i) && t - points[i].t > 4000) ? points[i] : null;
    const text = found ? `${found.label} ${percent(found.score)}` : 'no answer';
    say(this.#tip, `${clock(t)} · ${text}`);
    this.#tip.hidden = false;
    canvas.setAttribute('aria-valuenow', String(-Math.round(this.#cursor / 1000)));
    canvas.setAttribute('aria-valuetext', `${span(this.#cursor)} ago: ${text}`);
    const w = canvas.clientWidth;
    const x = LEFT + (1 - this.#cursor / this.#range) * (w - LEFT);
    const half = this.#tip.offsetWidth / 2;
    this.#tip.style.transform = `translateX(${Math.min(w - 2 * half, Math.max(0, x - half))}px)`;
  }

  #draw(c, width, height, color) {
    const now = Date.now();
    const floor = height - AXIS - BAND - GAP; // where the score is 0
    const x = t => LEFT + (1 - (now - t) / this.#range) * (width - LEFT);
    const y = score => floor - score * (floor - TOP);
    this.#grid(c, width, height, floor, y, color);
    if (!this.#camera) return;
    c.save();
    c.beginPath();
    c.rect(LEFT, 0, width - LEFT, height);
    c.clip();
    this.#scores(c, x, y, floor, now, color);
    this.#labels(c, x, floor + GAP, now, color);
    c.restore();
    if (this.#cursor !== null) {
      this.#describe(now);
      const at = Math.round(x(now - this.#cursor)) + .5;
      c.strokeStyle = color('text');
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(at, 0);
      c.lineTo(at, height - AXIS);
      c.stroke();
    }
  }

  #grid(c, width, height, floor, y, color) {
    c.strokeStyle = color('line');
    c.fillStyle = color('soft');
    c.lineWidth = 1;
    c.textAlign = 'right';
    for (const score of [0, .5, 1]) {
      const at = Math.round(y(score)) + .5;
      c.beginPath();
      c.moveTo(LEFT, at);
      c.lineTo(width, at);
      c.stroke();
      c.fillText(`${100 * score} %`, LEFT - 10, at);
    }
    const threshold = this.#camera?.status?.threshold;
    if (threshold) {
      c.setLineDash([2, 4]);
      c.strokeStyle = color('soft');
      c.beginPath();
      c.moveTo(LEFT, y(threshold));
      c.lineTo(width, y(threshold));
      c.stroke();
      c.setLineDash([]);
    }
    past(c, this.#range / 1000, LEFT, width, height - AXIS / 2 + 3);
  }

  // The line breaks where there were no predictions. Points closer than half a
  // pixel become one.
  #scores(c, x, y, floor, now, color) {
    const points = this.#camera.points;
    const first = Math.max(0, points.findIndex(p => p.t >= now - this.#range) - 1);
    let run = [];
    const runs = [];
    for (let i = first; i < points.length; i++) {
      const at = x(points[i].t);
      if (run.length && at - run.at(-1)[0] < .5 && i + 1 < points.length) continue;
      run.push([at, y(points[i].score)]);
      if (this.#camera.gapAfter(i)) {
        runs.push(run);
        run = [];
      }
    }
    if (run.length) runs.push([...run, [x(now), run.at(-1)[1]]]);
    const fill = c.createLinearGradient(0, 0, 0, floor);
    fill.addColorStop(0, color('accent'));
    fill.addColorStop(1, color('card'));
    for (const line of runs) {
      c.beginPath();
      line.forEach(([px, py], i) => i ? c.lineTo(px, py) : c.moveTo(px, py));
      c.lineWidth = 1.75;
      c.lineJoin = 'round';
      c.strokeStyle = color('accent');
      c.stroke();
      c.lineTo(line.at(-1)[0], floor);
      c.lineTo(line[0][0], floor);
      c.closePath();
      c.globalAlpha = .16;
      c.fillStyle = fill;
      c.fill();
      c.globalAlpha = 1;
    }
  }

  // One block for each time that a label was stable. Neighbors differ in tint.
  #labels(c, x, top, now, color) {
    const { changes, points } = this.#camera;
    const silences = [];
    points.forEach((p, i) => {
      if (this.#camera.gapAfter(i)) silences.push([p.t, i + 1 < points.length ? points[i + 1].t : now]);
    });
    c.textAlign = 'left';
    changes.forEach(({ t, label }, i) => {
      let end = i + 1 < changes.length ? changes[i + 1].t : now;
      const silence = silences.find(([from]) => from >= t && from < end);
      if (silence) end = silence[0];
      const left = Math.max(x(t), LEFT - 20);
      const right = x(end) - 1.5;
      if (right < LEFT || right <= left) return;
      const current = i + 1 === changes.length && !silence;
      c.fillStyle = color(current ? 'accent' : i % 2 ? 'tint' : 'tint2');
      c.beginPath();
      c.roundRect(left, top, right - left, BAND, 5);
      c.fill();
      const from = Math.max(left, LEFT) + 6;
      const room = right - from - 4;
      c.fillStyle = color(current ? 'card' : 'text');
      const text = fit(c, label, room);
      if (text) c.fillText(text, from, top + BAND / 2 + .5);
    });
  }
}

// As much of the text as there is room for.
function fit(c, text, room) {
  if (c.measureText(text).width <= room) return text;
  for (let n = text.length - 1; n > 2; n--) {
    const short = `${text.slice(0, n).trimEnd()}…`;
    if (c.measureText(short).width <= room) return short;
  }
  return '';
}
