// What the page knows of one camera: its last answer and its last ten minutes.
// Times are those of the browser. The device counts from the start of its
// session, so a device whose clock is wrong is still shown right.

const KEEP = 600_000;

export const STAGES = ['capture', 'decode', 'preprocess', 'infer', 'publish'];

export class Camera {
  constructor(name) {
    this.name = name;
    this.status = null;   // see StatusCamera of the server
    this.latest = null;   // the last prediction
    this.state = null;    // {t, label, score}: the stable label
    this.points = [];     // {t, label, score, stages}, oldest first
    this.changes = [];    // {t, label, score} of the stable label, oldest first
    this.rate = null;     // classified frames a second
    this.last = null;     // {mono, classified} that rate is reckoned from
  }

  /** Takes one prediction as it comes. */
  predicted(p, toTime) {
    const t = toTime(p.mono_ms);
    this.latest = p;
    this.add({ t, label: p.label, score: p.score, stages: STAGES.map(s => p.stages_ms[s]) });
    if (p.state) this.change({ t: toTime(p.state.mono_ms), label: p.state.label, score: p.state.score });
  }

  /** Takes what the server remembers: what is newer than all that is known. */
  remembered(history, toTime) {
    const known = this.points.length ? this.points[0].t : Infinity;
    const since = this.points.length ? this.points.at(-1).t : -Infinity;
    const old = history.samples.map(s => ({ t: toTime(s.mono_ms), label: s.label, score: s.score, stages: s.stages_ms }));
    // Predictions may have come before the history did.
    this.points = [...old.filter(s => s.t < known - 500), ...this.points, ...old.filter(s => s.t > since + 500)].sort((a, b) => a.t - b.t);
    for (const c of history.changes) this.change({ t: toTime(c.mono_ms), label: c.label, score: c.score });
    this.changes.sort((a, b) => a.t - b.t);
  }

  add(point) {
    this.points.push(point);
    const old = Date.now() - KEEP;
    if (this.points[0].t < old - 10_000) this.points = this.points.filter(p => p.t >= old);
  }

  change(state) {
    // The estimate of the device's clock gets better, so one change may come
    // with two slightly different times.
    const same = this.changes.findLast(c => c.label === state.label && Math.abs(c.t - state.t) < 700);
    if (same) {
      same.score = state.score;
      this.state = same;
      return;
    }
    this.changes.push(state);
    if (this.changes.length > 400) this.changes.splice(0, 200);
    this.state = state;
  }

  /** Takes the counters as they were at mono ms of the session: messages may come
   *  late and several at once, so the rate is reckoned by the device's clock. */
  counted(status, mono) {
    if (this.last && status.classified >= this.last.classified && mono > this.last.mono) {
      const rate = 1000 * (status.classified - this.last.classified) / (mono - this.last.mono);
      this.rate = this.rate === null ? rate : 0.5 * this.rate + 0.5 * rate;
    }
    this.last = { mono, classified: status.classified };
    this.status = status;
  }

  /** Whether this point in time lies in a time without predictions. */
  gapAfter(i) {
    const next = i + 1 < this.points.length ? this.points[i + 1].t : Date.now();
    return next - this.points[i].t > Math.max(4000, 4000 / (this.rate || 1));
  }
}
