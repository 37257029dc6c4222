/** What packages add to the masthead: help for the page that is shown, its language, and the pages that are loaded. */

import { signal } from "@preact/signals";
import type { JSX } from "preact";

import { _, fill } from "../i18n";
import { LOCALHOST, routeAddress } from "../routes";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Select } from "../ui/field";
import { visibleLine } from "../ui/host_text";
import { Icon } from "../ui/icon";
import { chooseLanguage, chosenLanguage } from "./language";
import { closeFrame, type PackageFrame, packageFrames } from "./package_frames";
import { packageMenu } from "./package_menu";
import { entryOfRoute, type PackageRoute, pathOf } from "./package_menu_model";
import { goTo, route } from "./router";

const HELP_ID = "help-menu";

const activePages = signal<"open" | "closed">("closed");

/** Documents that the package names for the page that is shown. */
export function HelpButton({ shown }: { readonly shown: PackageRoute | null }): JSX.Element | null {
    const menu = packageMenu.value;
    const docs = shown === null || menu === null ? [] : (entryOfRoute(menu, shown)?.docs ?? []);
    if (docs.length === 0) return null;
    return (
        <div class="ph-account ph-help">
            <Button look="plain" icon="help" opens={HELP_ID}>
                {_("Help")} <Icon name="down" />
            </Button>
            <div id={HELP_ID} popover="auto" class="pf-v6-c-card ph-menu">
                <ul class="ph-plain-list">
                    {docs.map((doc) => (
                        <li key={doc.url}>
                            <a href={doc.url} target="_blank" rel="noreferrer noopener" title={doc.url}>
                                {visibleLine(doc.label)}
                            </a>
                        </li>
                    ))}
                </ul>
            </div>
        </div>
    );
}

/** Below the theme in the account menu. */
export function AccountExtras(): JSX.Element {
    const languages = packageMenu.value?.languages;
    return (
        <>
            {languages !== undefined && languages.size > 0 && <LanguageField languages={languages} />}
            {packageFrames.value.length > 0 && <Button onClick={() => void (activePages.value = "open")}>{_("Active pages")}</Button>}
        </>
    );
}

/** The language of packages; our own texts are in English. */
function LanguageField({ languages }: { readonly languages: ReadonlyMap<string, string> }): JSX.Element {
    const sorted = [...languages].sort(([, one], [, other]) => one.localeCompare(other));
    const choices = sorted.map(([code, name]) => ({ value: code, label: visibleLine(name), lang: code }));
    return <Select label={_("Language of packages")} value={chosenLanguage()} choices={[{ value: "", label: _("As the browser") }, ...choices]} onChange={chooseLanguage} />;
}

/** The pages of packages that run in frames, seen or not, and how to end one. Outside the menu, which closes under it. */
export function ActivePages(): JSX.Element | null {
    if (activePages.value === "closed") return null;
    const onClose = (): void => {
        activePages.value = "closed";
    };
    const frames = packageFrames.value;
    return (
        <Dialog title={_("Active pages")} onClose={onClose} onSubmit={onClose} actions={<Button type="submit">{_("Close")}</Button>}>
            <p>{_("These pages of packages are loaded and go on in the background. Closing one ends what it does.")}</p>
            {frames.length === 0 && <p class="ph-quiet">{_("No page is loaded.")}</p>}
            <ul class="ph-plain-list">
                {frames.map((frame) => (
                    <li key={frame.name} class="ph-active-page">
                        <a
                            href={routeAddress(frame.route)}
                            onClick={(event) => {
                                event.preventDefault();
                                goTo(frame.route, "push");
                                onClose();
                            }}
                        >
                            {labelOf(frame)}
                        </a>
                        <Button size="small" label={fill(_("Close $0"), labelOf(frame))} onClick={() => close(frame)}>
                            {_("Close")}
                        </Button>
                    </li>
                ))}
            </ul>
        </Dialog>
    );
}

function close(frame: PackageFrame): void {
    closeFrame(frame.name);
    const shown = route.value;
    if (shown.kind === "package" && shown.host === frame.route.host && pathOf(shown) === pathOf(frame.route)) {
        goTo({ kind: "host", host: shown.host, view: { page: "overview" } }, "push");
    }
}

function labelOf(frame: PackageFrame): string {
    const menu = packageMenu.value;
    const label = visibleLine((menu && entryOfRoute(menu, frame.route)?.label) ?? frame.route.package);
    return frame.route.host === LOCALHOST ? label : fill(_("$0 on $1"), label, frame.route.host);
}
