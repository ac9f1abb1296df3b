// The live page: what comes from the daemon goes to the parts that show it.

import { Bars } from './bars.js';
import { Camera } from './camera.js';
import { Connection } from './connection.js';
import { facts } from './facts.js';
import { Picture } from './picture.js';
import { Stages } from './stages.js';
import { byId, clock, element, percent, say, span } from './text.js';
import { Timeline } from './timeline.js';

const picture = new Picture(), bars = new Bars(), timeline = new Timeline(), stages = new Stages();
const cameras = new Map(); // name -> Camera
let selected = null;
let status = null;

// The time in the browser at which the daemon's session began. A message is
// underway for some time, so the earliest estimate is the best.
let session = '', began = Infinity;
const toTime = mono => began + mono;

const connection = new Connection({
  status(s) {
    if (s.session !== session) {
      session = s.session;
      began = Infinity;
    }
    began = Math.min(began, Date.now() - s.mono_ms);
    status = s;
    for (const c of s.cameras) {
      if (!cameras.has(c.name)) cameras.set(c.name, new Camera(c.name));
      cameras.get(c.name).counted(c, s.mono_ms);
    }
    for (const name of cameras.keys()) {
      if (!s.cameras.some(c => c.name === name)) cameras.delete(name);
    }
    choices();
    say(byId('device'), s.device.name);
    say(byId('version'), `vitedge ${s.version}`);
    picture.update();
    facts(status, selected);
  },
  prediction(p) {
    const camera = cameras.get(p.source);
    if (!camera) return;
    const before = camera.state;
    camera.predicted(p, toTime);
    if (camera !== selected) return;
    bars.show(p.best);
    if (camera.state !== before) changed(camera.state);
    answer();
  },
  up() {
    link('up', 'Live');
    picture.connected(true);
    for (const camera of cameras.values()) remember(camera);
    latest();
  },
  down(since) {
    link('down', `Disconnected since ${clock(since)}`);
    picture.connected(false);
  },
});

function link(state, text) {
  byId('link').dataset.state = state;
  say(byId('link-text'), text);
}

// What happened while nobody listened.
async function remember(camera) {
  try {
    const response = await fetch(`api/v1/history?camera=${encodeURIComponent(camera.name)}`);
    if (!response.ok) return;
    camera.remembered(await response.json(), toTime);
    if (camera === selected) {
      timeline.log();
      stages.table();
    }
  } catch {
    // The connection has gone again, and will say so itself.
  }
}

// A camera that is seldom looked at has an answer all the same.
async function latest() {
  try {
    const all = await (await fetch('api/v1/latest')).json();
    for (const [name, p] of Object.entries(all)) {
      const camera = cameras.get(name);
      if (!camera || camera.latest) continue;
      camera.predicted(p, toTime);
      if (camera === selected) bars.show(p.best);
    }
    answer();
  } catch {
    // As above.
  }
}

// One choice for each camera; a single camera needs none.
function choices() {
  const box = byId('cameras');
  for (const label of [...box.querySelectorAll('label')]) if (!cameras.has(label.dataset.name)) label.remove();
  for (const camera of cameras.values()) {
    let label = [...box.querySelectorAll('label')].find(l => l.dataset.name === camera.name);
    if (!label) {
      label = element('label');
      label.dataset.name = camera.name;
      const input = element('input');
      input.type = 'radio';
      input.name = 'camera';
      input.value = camera.name;
      input.addEventListener('change', () => select(camera.name));
      const chip = element('span', 'chip');
      chip.append(element('span', 'dot'), element('b', '', camera.name), element('i'));
      label.append(input, chip);
      box.append(label);
    }
    const { enabled, up } = camera.status;
    label.dataset.state = !enabled || up === null ? 'off' : up ? 'up' : 'down';
    say(label.querySelector('i'), !enabled ? 'off' : up === false ? 'no pictures' : camera.state?.label ?? '');
  }
  box.hidden = cameras.size < 2;
  if (!selected || cameras.get(selected.name) !== selected) select(decodeURIComponent(location.hash.slice(1)));
}

function select(name) {
  const camera = cameras.get(name) ?? cameras.values().next().value;
  if (!camera) return;
  if (selected) history.replaceState(null, '', `#${encodeURIComponent(camera.name)}`);
  selected = camera;
  for (const input of document.querySelectorAll('#cameras input')) input.checked = input.value === camera.name;
  bars.clear();
  if (camera.latest) bars.show(camera.latest.best);
  picture.select(camera);
  timeline.select(camera);
  stages.select(camera);
  answer();
  if (status) facts(status, camera);
}

function answer() {
  const state = selected?.state;
  const label = byId('label');
  label.classList.toggle('none', !state);
  say(label, state ? state.label : 'Nothing yet');
  say(byId('since'), state ? `${percent(state.score)} sure, for ${span(Date.now() - state.t)}` : 'The first answer takes some frames');
  picture.caption(state);
  const title = state ? `${state.label} · vitedge` : 'vitedge';
  if (document.title !== title) document.title = title;
}

// A screen reader hears changes, but not more often than it can say them.
let announced = 0, announcing = 0;
function changed() {
  timeline.log();
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    announced = Date.now();
    say(byId('announce'), `${selected.name}: ${selected.state.label}`);
  }, Math.max(0, announced + 5000 - Date.now()));
}

setInterval(() => {
  if (!selected) return;
  answer();
  stages.table();
}, 500);

// A page that nobody sees asks for nothing; what it missed it learns later.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') connection.open();
  else connection.close();
});
connection.open();
