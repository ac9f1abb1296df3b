// A canvas as sharp as the screen, drawn when there is something new to see.

const still = matchMedia('(prefers-reduced-motion: reduce)');

export class Chart {
  #size = { width: 0, height: 0 };
  #due = 0;
  #colors = null;

  /** draw(context, width, height, color) is called at most period ms apart. */
  constructor(canvas, period, draw) {
    this.canvas = canvas;
    this.draw = draw;
    this.period = period;
    this.context = canvas.getContext('2d');
    new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      const ratio = devicePixelRatio || 1;
      this.#size = { width, height };
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      this.redraw();
    }).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#colors = null;
      this.redraw();
    });
    const frame = now => {
      if (now >= this.#due) {
        this.#due = now + (still.matches ? 1000 : this.period);
        this.redraw();
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  redraw() {
    const { width, height } = this.#size;
    if (!width || !height) return;
    const c = this.context;
    c.setTransform(this.canvas.width / width, 0, 0, this.canvas.height / height, 0, 0);
    c.clearRect(0, 0, width, height);
    this.#colors ??= getComputedStyle(document.documentElement);
    c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    c.textBaseline = 'middle';
    this.draw(c, width, height, name => this.#colors.getPropertyValue(`--${name}`).trim());
  }
}

/** Writes the times of an axis that ends now, from left to right at height y. */
export function past(c, seconds, left, right, y) {
  const steps = seconds > 180 ? 2 : 3; // so that the times are round
  for (let i = 0; i <= steps; i++) {
    const s = Math.round(seconds * (1 - i / steps));
    const text = s % 60 ? `${s} s` : `${s / 60} min`;
    c.textAlign = i === 0 ? 'left' : i === steps ? 'right' : 'center';
    c.fillText(i < steps ? text : 'now', left + (right - left) * i / steps, y);
  }
}
