/** True in the build of the single file. */
declare const __SINGLE_FILE__: boolean;

/** The library's registry of architectures, as it stood when the page was built. */
declare const __ARCHITECTURES__: readonly {
  readonly kind: string;
  readonly settings: readonly import('../../src/models/architectures/architecture.ts').SettingFlag[];
}[];
