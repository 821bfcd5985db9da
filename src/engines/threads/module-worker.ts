/** Worker threads from our own modules, whether they run compiled or, through tsx, as TypeScript sources. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Whether modules can be started in threads: they must be files beside this one. A bundler that joins an app into one file leaves them
 * out; joined as CommonJS, a module has no address at all.
 */
export function hasModuleWorkers(base: string | undefined = import.meta.url): boolean {
  return base !== undefined && existsSync(new URL(`./step-worker${base.slice(base.lastIndexOf('.'))}`, base));
}

/**
 * Starts module `name` beside the module `base` (its import.meta.url) in a thread. The ending is the base's own: `.ts` from
 * sources, `.js` once compiled. Node 20 gives threads none of the main thread's loaders, so a source registers tsx first.
 */
export function startModuleWorker(name: string, base: string, options: WorkerOptions): Worker {
  const extension = base.slice(base.lastIndexOf('.'));
  const module = new URL(`./${name}${extension}`, base);
  if (extension !== '.ts') return new Worker(module, options);
  // Not resolved by import.meta.resolve, which is missing where tsx has turned this module into CommonJS.
  const tsx = pathToFileURL(createRequire(base).resolve('tsx/package.json'));
  const loader = new URL('dist/esm/api/index.mjs', tsx).href;
  const code = `import('${loader}').then(({ register }) => { register(); return import('${module.href}'); });`;
  return new Worker(code, { ...options, eval: true });
}
