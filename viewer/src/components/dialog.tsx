/** A modal dialog on the browser's own element. */
import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

interface DialogProps {
  readonly title: string;
  /** Whether the dialog is shown. The dialog sets it to false when it is closed. */
  readonly open: Signal<boolean>;
  readonly children: ComponentChildren;
}

/** A dialog that stands over the page while `open` is true. Escape and its Close button set `open` to false. */
export function Dialog({ title, open, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const shown = open.value;
  useEffect(() => {
    if (shown) ref.current?.showModal();
    else ref.current?.close();
  }, [shown]);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onClose={() => {
        open.value = false;
      }}
    >
      {shown && (
        <div>
          <div class="spread">
            <h2 id={id} style={{ fontSize: '17px' }}>
              {title}
            </h2>
            <button
              type="button"
              class="button plain tiny"
              onClick={() => {
                open.value = false;
              }}
            >
              Close
            </button>
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}
