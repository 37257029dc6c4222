/**
 * `cockpit.localStorage` and `cockpit.sessionStorage`: the browser's stores with the application's name before each
 * key, so that two applications on one origin keep apart.
 *
 * Several methods take `both`: then the plain key is meant as well. Never stores secrets; any page of the origin
 * can read everything here.
 */

export class PrefixedStorage {
    constructor(
        private readonly store: Storage,
        private readonly application: string,
    ) {}

    /** The key as it stands in the browser's store. */
    prefixedKey(key: string): string {
        return `${this.application}:${key}`;
    }

    /** With `both`, the plain key's value if there is none of the application. */
    getItem(key: string, both?: boolean): string | null {
        const own = this.store.getItem(this.prefixedKey(key));
        return own ?? (both === true ? this.store.getItem(key) : null);
    }

    setItem(key: string, value: string, both?: boolean): void {
        this.store.setItem(this.prefixedKey(key), value);
        if (both === true) this.store.setItem(key, value);
    }

    removeItem(key: string, both?: boolean): void {
        this.store.removeItem(this.prefixedKey(key));
        if (both === true) this.store.removeItem(key);
    }

    /** Removes what is the application's; with `full` everything of this origin. */
    clear(full?: boolean): void {
        if (full === true) {
            this.store.clear();
            return;
        }
        const keys = Array.from({ length: this.store.length }, (_unused, at) => this.store.key(at));
        for (const key of keys) if (key?.startsWith(this.prefixedKey("")) === true) this.store.removeItem(key);
    }
}
