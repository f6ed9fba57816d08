// A test of one connection: whether it runs, and what the last one found.

import type { StepView } from './bindings';
import { clock } from './clock.svelte';
import { t } from './i18n.svelte';
import { ask, failure } from './window.svelte';

export class Trial {
  /** Whether an answer is waited for. */
  running = $state(false);
  /** What was found, in the order in which the steps were made; none while the test runs and where it could not be made. */
  steps = $state.raw<StepView[] | null>(null);
  /** Why there is no result. */
  problem = $state<string | null>(null);
  /** When the result came. */
  at = $state(0);

  /** Tests the connection, unless its test runs already: one socket besides the link's is enough. */
  async run(connection: string): Promise<void> {
    if (this.running) return;
    this.running = true;
    // What was found before must not be taken for what is found now.
    this.steps = null;
    this.problem = null;
    const reply = await ask({ kind: 'test-connection', connection });
    this.running = false;
    this.at = clock.now;
    if (reply.kind === 'tested') this.steps = reply.steps;
    else this.problem = failure(reply) ?? t('fail.unknown');
  }
}
