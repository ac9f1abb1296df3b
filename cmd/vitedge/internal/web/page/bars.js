// The best five classes, as bars that move to their new places.
//
// The scores of single frames flicker, most of all those near nothing. So the
// bars follow a moving average, and two of them change places only when one is
// clearly longer.

import { byId, element, say, percent } from './text.js';

const ROWS = 5;
const TIME = 300;    // of the average, in milliseconds
const CLEAR = .01;   // a difference in probability that is worth a move

export class Bars {
  #list = byId('bars');
  #rows = new Map();   // label -> {li, fill, score}
  #smooth = new Map(); // label -> probability
  #order = [];         // labels, from the top
  #last = 0;

  show(best) {
    const now = performance.now();
    const keep = this.#last ? Math.exp((this.#last - now) / TIME) : 0;
    this.#last = now;
    const scores = new Map(best.map(b => [b.label, b.score]));
    for (const label of this.#smooth.keys()) if (!scores.has(label)) scores.set(label, 0);
    for (const [label, score] of scores) {
      const value = keep * (this.#smooth.get(label) ?? 0) + (1 - keep) * score;
      if (value < 1e-4 && score === 0) this.#smooth.delete(label);
      else this.#smooth.set(label, value);
    }
    this.#rank();
    this.#move();
  }

  clear() {
    this.#rows.clear();
    this.#smooth.clear();
    this.#order = [];
    this.#last = 0;
    this.#list.replaceChildren();
  }

  #rank() {
    const value = label => this.#smooth.get(label) ?? 0;
    const order = this.#order.filter(label => this.#smooth.has(label));
    const rest = [...this.#smooth.keys()].filter(label => !order.includes(label)).sort((a, b) => value(b) - value(a));
    order.push(...rest);
    for (let i = 1; i < order.length; i++) { // insertion keeps what is nearly equal in place
      for (let j = i; j > 0 && value(order[j]) > value(order[j - 1]) + CLEAR; j--) {
        [order[j - 1], order[j]] = [order[j], order[j - 1]];
      }
    }
    this.#order = order.slice(0, ROWS);
  }

  #move() {
    for (const [label, row] of this.#rows) {
      if (this.#order.includes(label)) continue;
      this.#rows.delete(label);
      row.li.classList.add('gone');
      row.li.setAttribute('aria-hidden', 'true');
      setTimeout(() => row.li.remove(), 300);
    }
    this.#order.forEach((label, i) => {
      let row = this.#rows.get(label);
      if (!row) {
        row = this.#row(label, i);
        this.#rows.set(label, row);
      }
      const score = this.#smooth.get(label);
      row.li.style.transform = `translateY(${100 * i}%)`;
      row.li.classList.toggle('first', i === 0);
      row.fill.style.transform = `scaleX(${score.toFixed(4)})`;
      say(row.score, percent(score));
    });
    this.#sort();
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
  // Moving an element ends its transition, so this waits for it.
  #sort() {
    const wanted = this.#order.map(label => this.#rows.get(label).li);
    const now = [...this.#list.children].filter(li => !li.classList.contains('gone'));
    if (wanted.every((li, i) => li === now[i])) return;
    clearTimeout(this.sorting);
    this.sorting = setTimeout(() => {
      for (const li of wanted) if (li.isConnected) this.#list.append(li);
    }, 400);
  }
}
