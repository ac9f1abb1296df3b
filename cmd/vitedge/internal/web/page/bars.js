// The best five classes, as bars that move to their new places.

import { byId, element, say, percent } from './text.js';

const ROWS = 5;

export class Bars {
  #list = byId('bars');
  #rows = new Map(); // label -> {li, fill, score}

  show(best) {
    const top = best.slice(0, ROWS);
    const labels = new Set(top.map(b => b.label));
    for (const [label, row] of this.#rows) {
      if (labels.has(label)) continue;
      this.#rows.delete(label);
      row.li.classList.add('gone');
      row.li.setAttribute('aria-hidden', 'true');
      setTimeout(() => row.li.remove(), 300);
    }
    top.forEach(({ label, score }, i) => {
      let row = this.#rows.get(label);
      if (!row) {
        row = this.#row(label, i);
        this.#rows.set(label, row);
      }
      row.li.style.transform = `translateY(${100 * i}%)`;
      row.li.classList.toggle('first', i === 0);
      row.fill.style.transform = `scaleX(${score})`;
      say(row.score, percent(score));
    });
    this.#order(top);
  }

  clear() {
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  #row(label, i) {
    const li = element('li', 'gone');
    const fill = element('div', 'fill');
    const track = element('div', 'track');
    const score = element('span', 'score');
    track.append(fill);
    li.append(element('span', 'name', label), score, track);
    li.style.transform = `translateY(${100 * i}%)`;
    this.#list.append(li);
    li.getBoundingClientRect(); // so that the bar grows from nothing
    li.classList.remove('gone');
    return { li, fill, score };
  }

  // Readers that do not see the places read the elements in their order.
  #order(top) {
    const wanted = top.map(b => this.#rows.get(b.label).li);
    const now = [...this.#list.children].filter(li => !li.classList.contains('gone'));
    if (wanted.every((li, i) => li === now[i])) return;
    clearTimeout(this.ordering);
    // Moving an element ends its transition, so this waits for it.
    this.ordering = setTimeout(() => {
      for (const li of wanted) if (li.isConnected) this.#list.append(li);
    }, 400);
  }
}
