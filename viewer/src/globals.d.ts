/** True in the build of the single file. */
declare const __SINGLE_FILE__: boolean;
