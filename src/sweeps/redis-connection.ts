/**
 * Connects to Redis or Valkey. A server that cannot be reached at the start is an error; one that goes away later is
 * waited for.
 */
import type { Redis } from 'ioredis';
import { InvalidValueError, MissingPackageError, QueueUnavailableError } from '../errors.ts';

/** Milliseconds after which a server that does not answer counts as unreachable. */
const CONNECT = 5000;
const LONGEST_WAIT = 3000;

/** The parts of these packages that are used. */
export interface QueuePackages {
  readonly Redis: typeof Redis;
  readonly bullmq: Pick<typeof import('bullmq'), 'Queue' | 'QueueEvents' | 'Worker' | 'DelayedError' | 'WaitingError'>;
}

/**
 * The packages of the queue, which are optional.
 * @throws MissingPackageError where they are not installed
 */
export async function loadQueuePackages(): Promise<QueuePackages> {
  try {
    const [ioredis, bullmq] = await Promise.all([import('ioredis'), import('bullmq')]);
    return { Redis: ioredis.Redis, bullmq };
  } catch (cause) {
    throw new MissingPackageError('--queue needs the packages bullmq and ioredis: npm install bullmq ioredis', {
      cause,
    });
  }
}

/**
 * Connects to the server at `url` (redis://[user:password@]host[:port][/db], rediss:// for TLS). A server that goes
 * away later delays calls and fails none.
 * @param onGone told where the connection is lost and where it is back
 * @throws InvalidValueError for another kind of address
 * @throws QueueUnavailableError where the server cannot be reached or refuses the login; the message has no password in
 *   it
 */
export async function connectToRedis(url: string, onGone: (line: string) => void = () => {}): Promise<Redis> {
  const place = publicAddress(url);
  const { Redis } = await loadQueuePackages();
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT,
    retryStrategy: () => null,
  });
  let last: Error | undefined;
  const keep = (error: Error): void => {
    last = error;
  };
  redis.on('error', keep);
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    throw new QueueUnavailableError(place, reasonOf(last ?? error), error);
  }
  redis.options.retryStrategy = times => Math.min(200 * times, LONGEST_WAIT);
  redis.off('error', keep);
  // Without a listener ioredis prints every failed attempt.
  redis.on('error', () => {});
  let isGone = false;
  redis.on('close', () => {
    if (!isGone && redis.status !== 'end') onGone(`${place} is gone; waiting for it`);
    isGone = true;
  });
  redis.on('ready', () => {
    if (isGone) onGone(`${place} is back`);
    isGone = false;
  });
  return redis;
}

function publicAddress(url: string): string {
  let address: URL;
  try {
    address = new URL(url);
  } catch {
    throw new InvalidValueError(`a queue must be redis://host:port or rediss://host:port, got ${JSON.stringify(url)}`);
  }
  if (address.protocol !== 'redis:' && address.protocol !== 'rediss:') {
    throw new InvalidValueError(`a queue must be redis://host:port or rediss://host:port, got ${address.protocol}//…`);
  }
  return `${address.protocol}//${address.host}${address.pathname}`;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  const says = message ?? String(error);
  if (/WRONGPASS|invalid password|invalid username-password/i.test(says)) return 'the password or the user is wrong';
  if (/NOAUTH|Authentication required/i.test(says)) return 'the server wants a password';
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no host of that name';
  if (code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'the host does not answer';
  return says;
}
