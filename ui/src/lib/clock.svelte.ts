// The resident's clock as the window sees it: this computer's time plus the offset of the newest snapshot, moving once
// a second for everyone who counts. It stands still while nobody can see the window.

const TICK_MS = 1000;

/** Offsets that differ by less are the way a snapshot took, not another time: the figures must not tremble. */
const OFFSET_NOISE_MS = 250;

class Clock {
  /** Now, in the resident's milliseconds since the epoch; moves once a second and with each snapshot. */
  now = $state(Date.now());

  #offset = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Begins to tick; the answer stops it. */
  start(): () => void {
    this.#offset = 0;
    const follow = () => {
      clearInterval(this.#timer);
      this.#timer = undefined;
      if (document.hidden) return;
      this.tick();
      this.#timer = setInterval(() => this.tick(), TICK_MS);
    };
    document.addEventListener('visibilitychange', follow);
    follow();
    return () => {
      document.removeEventListener('visibilitychange', follow);
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Takes the time at which a snapshot was made, just as it arrives. */
  follow(madeAt: number): void {
    const offset = madeAt - Date.now();
    if (Math.abs(offset - this.#offset) > OFFSET_NOISE_MS) this.#offset = offset;
    this.tick();
  }

  /** Looks at the time. */
  tick(): void {
    this.now = Date.now() + this.#offset;
  }

  /** Whether it is moving. */
  get running(): boolean {
    return this.#timer !== undefined;
  }
}

/** The one clock of the window. */
export const clock = new Clock();
