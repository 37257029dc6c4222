import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import "../testing/bridge";
import { cockpit } from "./package_api";
import { pluralRule } from "./plural";

afterEach(() => cockpit.locale(null));

test("texts, contexts and plurals come from the loaded catalogs", () => {
    cockpit.locale({ "": { language: "de", "plural-forms": (n: number) => n !== 1 }, Hello: [null, "Hallo"], "menu\u0004Open": [null, "Öffnen"], "$0 day": ["$0 days", "$0 Tag", "$0 Tage"] });
    cockpit.locale({ More: [null, "Mehr"] });

    assert.equal(cockpit.gettext("Hello"), "Hallo");
    assert.equal(cockpit.gettext("More"), "Mehr");
    assert.equal(cockpit.gettext("menu", "Open"), "Öffnen");
    assert.equal(cockpit.ngettext("$0 day", "$0 days", 1), "$0 Tag");
    assert.equal(cockpit.ngettext("$0 day", "$0 days", 5), "$0 Tage");
    assert.equal(cockpit.language, "de");
    assert.equal(cockpit.language_direction, "ltr");
});

test("what is not translated stays, and null forgets all", () => {
    cockpit.locale({ "": { language: "de" }, Empty: [null, ""] });
    assert.equal(cockpit.gettext("Empty"), "Empty");
    assert.equal(cockpit.ngettext("one", "many", 2), "many");
    assert.equal(cockpit.noop("context", "text"), "text");
    cockpit.locale(null);
    assert.equal(cockpit.language, "en");
});

test("a later catalog replaces the texts that both have, and keeps the others", () => {
    cockpit.locale({ "": { language: "pt_BR", "language-direction": "rtl" }, Hello: [null, "Ola"], Bye: [null, "Tchau"] });
    cockpit.locale({ "": { language: "pt_BR" }, Hello: [null, "Oi"] });
    cockpit.locale(undefined);

    assert.equal(cockpit.gettext("Hello"), "Oi");
    assert.equal(cockpit.gettext("Bye"), "Tchau");
    // As the catalog writes it: pages turn it into a tag of their own.
    assert.equal(cockpit.language, "pt_BR");
    assert.equal(cockpit.language_direction, "rtl");
});

test("plural forms with a context, and none where there is no translation", () => {
    cockpit.locale({ "": { "plural-forms": (n: number) => (n > 1 ? 1 : 0) }, "disk\u0004$0 volume": ["$0 volumes", "um", "$0 muitos"] });
    assert.equal(cockpit.ngettext("disk", "$0 volume", "$0 volumes", 2), "$0 muitos");
    assert.equal(cockpit.ngettext("book", "$0 volume", "$0 volumes", 2), "$0 volumes");
    assert.equal(cockpit.noop("text"), "text");
});

test("catalog in JSON has its plural rule as gettext writes it", () => {
    const polish = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);";
    cockpit.locale(JSON.parse(JSON.stringify({ "": { language: "pl", "plural-forms": polish }, "$0 file": ["$0 files", "plik", "pliki", "plików"] })) as Record<string, unknown>);
    const forms = [1, 2, 5, 12, 22, 112].map((count) => cockpit.ngettext("$0 file", "$0 files", count));
    assert.deepEqual(forms, ["plik", "pliki", "plików", "plików", "pliki", "plików"]);
});

test("plural rules of every kind are read, and what is none is refused", () => {
    const of = (rule: string, ...counts: number[]) => counts.map((count) => pluralRule(`nplurals=6; plural=${rule};`)?.(count));
    assert.deepEqual(of("n != 1", 0, 1, 2), [1, 0, 1]);
    assert.deepEqual(of("0", 0, 1, 2), [0, 0, 0]);
    assert.deepEqual(of("n>1", 0, 1, 2), [0, 0, 1]);
    assert.deepEqual(of("!(n==2) + 2*3 - 1", 2, 3), [5, 6]);
    assert.deepEqual(of("n==0 ? 0 : n==1 ? 1 : n/2", 0, 1, 7), [0, 1, 3]);
    assert.deepEqual(of("n%0", 3), [0]);
    for (const bad of ["n ==", "(n", "n n", "x", "alert(1)", "n ? 1", "", "n".repeat(501)]) assert.equal(pluralRule(`plural=${bad};`), null, bad);
});

/** As much of an element as is translated. */
class FakeElement {
    readonly attributes: Map<string, string>;

    constructor(
        public textContent: string,
        attributes: Record<string, string>,
        readonly children: readonly FakeElement[] = [],
    ) {
        this.attributes = new Map(Object.entries(attributes));
    }

    getAttribute(name: string): string | null {
        return this.attributes.get(name) ?? null;
    }
    hasAttribute(name: string): boolean {
        return this.attributes.has(name);
    }
    setAttribute(name: string, value: string): void {
        this.attributes.set(name, value);
    }
    removeAttribute(name: string): void {
        this.attributes.delete(name);
    }
    querySelectorAll(): FakeElement[] {
        return this.children.filter((child) => child.hasAttribute("translate"));
    }
    get element(): HTMLElement {
        return this as unknown as HTMLElement;
    }
}

test("translate turns texts and attributes of marked elements, of the document or of those given", () => {
    cockpit.locale({ "": { language: "de" }, Hello: [null, "Hallo"], "menu\u0004Open": [null, "Auf"] });
    const text = new FakeElement("Hello", { translate: "" });
    const inContext = new FakeElement("Open", { translate: "yes", context: "menu" });
    const attributes = new FakeElement("Hello", { translate: "title alt", title: "Hello", alt: "Other" });
    const never = new FakeElement("Hello", { translate: "no" });
    const apart = new FakeElement("", {}, [new FakeElement("Hello", { translate: "" })]);
    Object.assign(globalThis, { HTMLElement: FakeElement, document: new FakeElement("", {}, [text, inContext, attributes, never]) });

    cockpit.translate(apart.element);
    assert.deepEqual([apart.children[0]?.textContent, text.textContent], ["Hallo", "Hello"]);
    cockpit.translate();
    cockpit.translate([new FakeElement("", {}).element]);

    assert.deepEqual([text.textContent, inContext.textContent, attributes.textContent, never.textContent], ["Hallo", "Auf", "Hello", "Hello"]);
    assert.deepEqual([attributes.getAttribute("title"), attributes.getAttribute("alt")], ["Hallo", "Other"]);
    // Once is enough.
    assert.deepEqual([text.hasAttribute("translate"), never.hasAttribute("translate")], [false, true]);
    for (const name of ["HTMLElement", "document"]) Reflect.deleteProperty(globalThis, name);
});
