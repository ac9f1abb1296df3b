// The event stream, and whether it is alive.

const SILENCE = 7000; // the server says something every two seconds

export class Connection {
  #source = null;
  #heard = 0;      // when the last event came
  #up = false;
  #lost = null;    // since when there is nothing
  #retry = 0;
  #wanted = false;

  /** handlers: up(), down(since), status(data), prediction(data, isState) */
  constructor(handlers) {
    this.handlers = handlers;
    setInterval(() => this.#check(), 1000);
  }

  open() {
    this.#wanted = true;
    this.#connect();
  }

  /** Ends the stream without calling it a fault. */
  close() {
    this.#wanted = false;
    this.#up = false;
    this.#drop();
  }

  #connect() {
    this.#drop();
    this.#heard = performance.now();
    const source = this.#source = new EventSource('api/v1/events');
    const on = (name, f) => source.addEventListener(name, e => {
      if (source !== this.#source) return;
      this.#heard = performance.now();
      const data = JSON.parse(e.data);
      // The first event is the status: it has the clock of the session.
      if (!this.#up) {
        if (name !== 'status') return;
        this.#up = true;
        this.#lost = null;
        f(data);
        this.handlers.up();
        return;
      }
      f(data);
    });
    on('status', d => this.handlers.status(d));
    on('prediction', d => this.handlers.prediction(d, false));
    on('state', d => this.handlers.prediction(d, true));
    source.onerror = () => {
      if (source === this.#source) this.#down();
    };
  }

  #drop() {
    this.#source?.close();
    this.#source = null;
  }

  #down() {
    this.#up = false;
    this.#lost ??= Date.now();
    this.#drop();
    // Again in a second: a daemon that restarts is back in no time.
    this.#retry = performance.now() + 1000;
    this.handlers.down(this.#lost);
  }

  #check() {
    if (!this.#wanted) return;
    const now = performance.now();
    if (!this.#source) {
      if (now >= this.#retry) this.#connect();
    } else if (now - this.#heard > SILENCE) {
      this.#down(); // a connection may die without a word
    }
  }
}
