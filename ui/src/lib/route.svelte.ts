// Where the person is. The window has no addresses of its own; the resident may open it at a view by the `#…` of the page.

import type { WindowView } from './bindings';

/** The views, in the order in which they are offered. */
export const VIEWS: readonly WindowView[] = ['connections', 'messages', 'history', 'settings'];
/** A place inside the settings. */
export type SettingsPage = { page: 'list' } | { page: 'add' } | { page: 'edit'; name: string };

class Route {
  view = $state<WindowView>('connections');
  settings = $state<SettingsPage>({ page: 'list' });

  /** Goes to a view; the settings begin with their list. */
  go(view: WindowView): void {
    this.view = view;
    this.settings = { page: 'list' };
  }

  /** Goes to the view that the page's `#…` names, if it names one. */
  open(hash: string): void {
    const view = VIEWS.find((known) => `#${known}` === hash);
    if (view) this.show(view);
  }

  /** Goes to a view from outside the window; a form that is open there stays, with what was typed. */
  show(view: WindowView): void {
    if (view !== this.view) this.go(view);
  }

  /** Goes to the form for a new connection. */
  add(): void {
    this.view = 'settings';
    this.settings = { page: 'add' };
  }

  /** Goes to the form of a connection. */
  edit(name: string): void {
    this.view = 'settings';
    this.settings = { page: 'edit', name };
  }
}

/** The one place of the window. */
export const route = new Route();
