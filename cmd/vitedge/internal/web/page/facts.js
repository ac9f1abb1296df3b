// States and counters, as lists of names and values.

import { byId, element, say, count, megabytes, span } from './text.js';

// rows are [name, value] or [name, value, state].
function list(id, rows) {
  const dl = byId(id);
  while (dl.children.length > rows.length) dl.lastChild.remove();
  rows.forEach(([name, value, state], i) => {
    let row = dl.children[i];
    if (!row) {
      row = element('div');
      row.append(element('dt'), element('dd'));
      dl.append(row);
    }
    const [dt, dd] = row.children;
    say(dt, name);
    if (state) {
      if (dd.dataset.state !== state || dd.textContent !== value) {
        dd.dataset.state = state;
        dd.replaceChildren(element('span', 'dot'), value);
      }
    } else {
      delete dd.dataset.state;
      say(dd, value);
    }
  });
}

export function facts(status, camera) {
  list('facts-camera', cameraRows(camera));
  list('facts-broker', brokerRows(status.broker));
  list('facts-model', [
    ['Name', status.model.name],
    ['File', status.model.sha256.slice(0, 8)],
    ['Kernel', status.model.kernel],
    ['Speed', camera?.rate == null ? '–' : `${camera.rate.toFixed(1)} frames/s`],
  ]);
  list('facts-device', deviceRows(status));
}

function cameraRows(camera) {
  const s = camera?.status;
  if (!s) return [['State', 'unknown']];
  const state = !s.enabled ? ['switched off', 'off'] : s.up === null ? ['starting', 'off'] : s.up ? ['delivering', 'up'] : ['no pictures', 'down'];
  const frame = camera.latest?.frame;
  const { skipped = 0, ...faults } = s.dropped;
  const bad = Object.values(faults).reduce((a, b) => a + b, 0);
  return [
    ['State', ...state],
    ['Picture', frame ? `${frame.w} × ${frame.h}` : '–'],
    ['Classified', count(s.classified)],
    ['Skipped for newer', count(skipped)],
    ['Unusable', count(bad)],
  ];
}

function brokerRows(broker) {
  if (!broker) return [['State', 'none configured', 'off']];
  const rows = [
    ['State', ...(broker.connected ? ['connected', 'up'] : ['not connected', 'down'])],
    ['Address', broker.address],
    ['Acknowledged', count(broker.acknowledged)],
    ['Waiting', count(broker.waiting)],
    ['Dropped', count(broker.dropped)],
  ];
  if (!broker.connected && broker.error) rows.splice(1, 0, ['Reason', broker.error]);
  return rows;
}

function deviceRows({ device, mono_ms, viewers }) {
  const rows = [];
  if (device.board) rows.push(['Board', device.board]);
  if (device.temp_c !== null) rows.push(['Temperature', `${device.temp_c.toFixed(1)} °C`]);
  if (device.throttled?.length) rows.push(['Power and heat', device.throttled.join(', '), 'down']);
  rows.push(['Memory', megabytes(device.rss_bytes)], ['Up', span(mono_ms)], ['Viewers', count(viewers)]);
  return rows;
}
