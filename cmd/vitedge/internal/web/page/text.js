// Numbers and times as people read them.

const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const whole = new Intl.NumberFormat('en');

/** Time of day of a browser time in milliseconds. */
export const clock = t => time.format(t);

/** A probability in percent. Nothing but 1 is 100 %, nothing but 0 is 0 %. */
export function percent(p) {
  if (p > 0 && p < .01) return '< 1 %';
  return `${p < 1 ? Math.min(99, Math.round(100 * p)) : 100} %`;
}

/** Thousands are told apart. */
export const count = n => whole.format(n);

/** Milliseconds with as many digits as matter. */
export const ms = x => x >= 100 ? `${Math.round(x)} ms` : x >= 10 ? `${x.toFixed(1)} ms` : `${x.toFixed(2)} ms`;

/** A length of time in its two largest units. */
export function span(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min ${s % 60} s`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h} h ${m % 60} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** Megabytes. */
export const megabytes = bytes => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** The element with this id. */
export const byId = id => document.getElementById(id);

/** A new element with a class and text. */
export function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

/** Sets text only where it changes, which keeps selections and screen readers calm. */
export function say(e, text) {
  if (e.textContent !== text) e.textContent = text;
}
