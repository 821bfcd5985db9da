/**
 * The notices: an alert for what failed, the names of files that are being opened, and the question before another site
 * is contacted.
 */
import { allowAddress, askedAddress } from '../open/addresses.ts';
import { opening } from '../open/opening.ts';
import { alertText, statusText } from '../state/notices.ts';
import { NameTensors } from './name-tensors.tsx';

/** All notices of the page, above the view that is open. */
export function Notices() {
  const asked = askedAddress.value;
  return (
    <>
      <div role="alert" class={alertText.value ? 'alert' : 'visually-hidden'}>
        {alertText.value && (
          <>
            <span>{alertText.value}</span>
            <button
              type="button"
              class="button plain tiny"
              onClick={() => {
                alertText.value = undefined;
              }}
            >
              Dismiss
            </button>
          </>
        )}
      </div>
      <NameTensors />
      {asked && (
        <section class="alert ask" aria-label="Another site">
          <span>
            The link asks for a model from <strong>{new URL(asked).host}</strong>. Fetch it from there? Nothing is sent
            but the request.
          </span>
          <span class="row">
            <button type="button" class="button tiny primary" onClick={() => allowAddress(asked)}>
              Fetch
            </button>
            <button
              type="button"
              class="button tiny"
              onClick={() => {
                askedAddress.value = undefined;
              }}
            >
              No
            </button>
          </span>
        </section>
      )}
      <p class="visually-hidden" role="status">
        {opening.value.length > 0 ? `Opening ${opening.value.join(', ')}` : statusText.value}
      </p>
    </>
  );
}
