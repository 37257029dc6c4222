/** A modal dialog: one question. The platform's `<dialog>` keeps focus inside and gives it back afterwards. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

export interface DialogProps {
    readonly title: string;
    readonly children: ComponentChildren;
    /** Buttons, the safe one first. */
    readonly actions: ComponentChildren;
    /** Escape was pressed, or the safe button. */
    readonly onClose: () => void;
    /** Enter was pressed in a field, or the submit button. */
    readonly onSubmit?: () => void;
}

export function Dialog({ title, children, actions, onClose, onSubmit }: DialogProps): JSX.Element {
    const dialog = useRef<HTMLDialogElement>(null);
    const heading = useId();
    useEffect(() => {
        dialog.current?.showModal();
    }, []);

    const submit = (event: Event): void => {
        event.preventDefault();
        onSubmit?.();
    };
    const cancel = (event: Event): void => {
        event.preventDefault();
        onClose();
    };
    return (
        <dialog ref={dialog} class="pf-v6-c-modal-box pf-m-sm ph-dialog" aria-labelledby={heading} onCancel={cancel}>
            <form class="ph-dialog-form" method="dialog" onSubmit={submit}>
                <header class="pf-v6-c-modal-box__header">
                    <h1 class="pf-v6-c-modal-box__title" id={heading}>
                        <span class="pf-v6-c-modal-box__title-text">{title}</span>
                    </h1>
                </header>
                <div class="pf-v6-c-modal-box__body">{children}</div>
                <footer class="pf-v6-c-modal-box__footer">{actions}</footer>
            </form>
        </dialog>
    );
}
