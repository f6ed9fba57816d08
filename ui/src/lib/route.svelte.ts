// Where the person is. The window has no addresses: it begins with the connections each time.

/** The views of the window. */
export type View = 'connections' | 'messages' | 'history' | 'settings';
/** A place inside the settings. */
export type SettingsPage = { page: 'list' } | { page: 'add' } | { page: 'edit'; name: string };

class Route {
  view = $state<View>('connections');
  settings = $state<SettingsPage>({ page: 'list' });

  /** Goes to a view; the settings begin with their list. */
  go(view: View): void {
    this.view = view;
    this.settings = { page: 'list' };
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
