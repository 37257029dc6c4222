/** The part of a browser's window that the API of packages uses, for tests. Storage is shared by who is given it. */

/** A store of the browser, in memory. */
export class MemoryStorage implements Storage {
    readonly #items = new Map<string, string>();

    get length(): number {
        return this.#items.size;
    }

    key(index: number): string | null {
        return [...this.#items.keys()][index] ?? null;
    }

    getItem(key: string): string | null {
        return this.#items.get(key) ?? null;
    }

    setItem(key: string, value: string): void {
        this.#items.set(key, value);
    }

    removeItem(key: string): void {
        this.#items.delete(key);
    }

    clear(): void {
        this.#items.clear();
    }

    entries(): Record<string, string> {
        return Object.fromEntries(this.#items);
    }
}

class FakeLocation extends EventTarget {
    readonly origin = "https://admin.example";
    readonly pathname = "/cockpit/@localhost/demo/index.html";
    #hash = "";

    constructor(private readonly moved: () => void) {
        super();
    }

    get hash(): string {
        return this.#hash;
    }

    set hash(hash: string) {
        this.#hash = hash;
        setImmediate(this.moved);
    }

    replace(address: string): void {
        this.hash = address;
    }
}

/** A window; `parent` is itself unless it is a frame. */
export class FakeWindow extends EventTarget {
    readonly location = new FakeLocation(() => this.dispatchEvent(new Event("hashchange")));
    readonly document = Object.assign(new EventTarget(), { hidden: false });
    readonly localStorage = new MemoryStorage();
    readonly sessionStorage = new MemoryStorage();
    readonly name: string;
    readonly parent: FakeWindow;
    /** What other windows said to this one. */
    readonly heard: unknown[] = [];

    constructor(name = "", parent?: FakeWindow) {
        super();
        this.name = name;
        this.parent = parent ?? this;
    }

    postMessage(message: unknown, origin: string): void {
        if (origin === this.location.origin) this.heard.push(message);
    }

    /** `source` says `message` to this window. */
    hear(message: unknown, source: FakeWindow, origin = this.location.origin): void {
        this.dispatchEvent(Object.assign(new Event("message"), { data: message, source, origin }));
    }

    hide(hidden: boolean): void {
        this.document.hidden = hidden;
        this.document.dispatchEvent(new Event("visibilitychange"));
    }

    /** As what the code takes. */
    get window(): Window {
        return this as unknown as Window;
    }
}

/** Control messages that `window` heard, taken apart. */
export function controlsHeard(window: FakeWindow): Record<string, unknown>[] {
    return window.heard.filter((message): message is string => typeof message === "string" && message.startsWith("\n")).map((message) => JSON.parse(message) as Record<string, unknown>);
}

/** Runs `act` with `window` as the global one. */
export async function within(window: FakeWindow, act: () => unknown): Promise<void> {
    Object.assign(globalThis, { window });
    try {
        await act();
    } finally {
        Reflect.deleteProperty(globalThis, "window");
    }
}

