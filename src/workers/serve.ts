/** The worker's end of a connection. */
import { describeError } from './error-message.ts';
import { type CallMessage, type Port, type ReplyMessage, transferred } from './protocol.ts';

/**
 * Answers the calls that come through `port` with the methods of `api`, for as long as the worker lives. Calls that
 * overlap run at the same time. An error of a method reaches its caller with its class and fields.
 */
export function serve(port: Port, api: object): void {
  const reply = (message: ReplyMessage, values: readonly unknown[]): void => port.post(message, transferred(values));
  const answer = async ({ id, method, args, callbacks }: CallMessage): Promise<void> => {
    const given = [...args];
    for (const at of callbacks) {
      given[at] = (...values: unknown[]) => reply({ id, callback: at, args: values }, values);
    }
    try {
      const result: unknown = await (api as Record<string, (...args: unknown[]) => unknown>)[method]!(...given);
      reply({ id, result }, [result]);
    } catch (error) {
      reply({ id, error: describeError(error) }, []);
    }
  };
  port.onMessage(message => void answer(message as CallMessage));
}
