/** Picks an experiment's settings out of options that hold more. */

/**
 * The entries of `options` that `defaults` has. Options about where to write and what to run on do not change the
 * experiment.
 */
export function settingsOf<Settings extends object>(options: Settings, defaults: Settings): Settings {
  const names = Object.keys(defaults) as (keyof Settings)[];
  return Object.fromEntries(names.map(name => [name, options[name]])) as Settings;
}
