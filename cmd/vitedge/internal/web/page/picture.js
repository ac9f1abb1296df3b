// The camera's picture: a stream while somebody can see it.

import { byId, say, percent, span } from './text.js';

export class Picture {
  #figure = byId('picture');
  #stream = byId('stream');
  #still = byId('still');
  #note = byId('picture-note');
  #pause = byId('pause');
  #full = byId('full');
  #camera = null;
  #paused = false;
  #connected = false;
  #running = false;
  #shown = false;  // there is a picture of this camera
  #retry = 0;

  constructor() {
    this.#stream.addEventListener('load', () => {
      this.#shown = true;
      this.#still.hidden = true;
      this.#figure.style.setProperty('--aspect', `${this.#stream.naturalWidth} / ${this.#stream.naturalHeight}`);
      this.update();
    });
    this.#stream.addEventListener('error', () => {
      if (!this.#running) return;
      this.#stop();
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.update(), 2000);
    });
    this.#pause.addEventListener('click', () => {
      this.#paused = !this.#paused;
      this.#pause.setAttribute('aria-pressed', String(this.#paused));
      this.update();
    });
    if (!document.fullscreenEnabled) this.#full.hidden = true;
    this.#full.addEventListener('click', () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else this.#figure.requestFullscreen();
    });
    document.addEventListener('fullscreenchange', () => {
      this.#full.setAttribute('aria-pressed', String(document.fullscreenElement !== null));
    });
    document.addEventListener('visibilitychange', () => this.update());
  }

  /** Shows another camera. */
  select(camera) {
    this.#camera = camera;
    this.#stop();
    this.#shown = false;
    this.#still.hidden = true;
    this.#stream.alt = `What the camera ${camera.name} sees now`;
    byId('snapshot').href = `snapshot.jpg?camera=${encodeURIComponent(camera.name)}`;
    this.update();
  }

  /** Says whether there is a server to ask; a new one is asked anew. */
  connected(yes) {
    this.#connected = yes;
    this.#figure.classList.toggle('lost', !yes);
    if (!yes) this.#stop();
    this.update();
  }

  /** Starts or ends the stream, and says why there is no picture. */
  update() {
    if (!this.#camera) return;
    const wanted = this.#connected && !this.#paused && document.visibilityState === 'visible';
    if (wanted && !this.#running) {
      this.#running = true;
      this.#stream.src = `stream.mjpg?camera=${encodeURIComponent(this.#camera.name)}&at=${Date.now()}`;
    } else if (!wanted && this.#running) {
      this.#stop();
    }
    this.#explain();
  }

  #stop() {
    if (!this.#running) return;
    this.#running = false;
    const { naturalWidth: w, naturalHeight: h } = this.#stream;
    if (this.#shown && w) { // what was seen last stays
      this.#still.width = w;
      this.#still.height = h;
      this.#still.getContext('2d').drawImage(this.#stream, 0, 0);
      this.#still.hidden = false;
    }
    this.#stream.removeAttribute('src');
  }

  #explain() {
    const s = this.#camera.status;
    let text = '';
    if (!this.#connected) text = 'No connection to the device';
    else if (s && !s.enabled) text = 'The camera is switched off';
    else if (s && s.up === false) text = 'The camera gives no pictures';
    else if (this.#paused) text = 'Paused';
    else if (!this.#shown) text = 'Waiting for a picture';
    say(this.#note, text);
    this.#note.hidden = text === '';
  }

  /** Puts the stable label over the picture. */
  caption(state) {
    byId('caption').hidden = !state;
    if (!state) return;
    say(byId('caption-label'), state.label);
    say(byId('caption-more'), `${percent(state.score)} · ${span(Date.now() - state.t)}`);
  }
}
