/** The error that `promise` ends with; a test fails where it ends well. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('expected an error, and there was none');
    },
    error => error,
  );
}
