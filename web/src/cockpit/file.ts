/** `cockpit.file()`: reads, replaces, changes and watches one file. Replacing is atomic; a tag guards against others. */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { callSafely } from "./events";
import { BasicError } from "./errors";
import { sendInBlocks } from "./process";
import { MultiPromise } from "./promise";

type WatchCallback<Content> = (content: Content | null, tag: string | null, error?: api.CockpitError) => void;

export class PageFile<Content> implements api.FileHandle<Content> {
    readonly #options: api.FileOptions<Content>;
    readonly #watchers = new Map<object, { readonly callback: WatchCallback<Content>; readonly read: boolean }>();
    readonly #ongoing = new Set<PageChannel>();
    #watch: PageChannel | null = null;
    #watchTag: string | null = null;
    #reading: MultiPromise<Content | null, [string]> | null = null;
    /** Counts replacements, so that a read that began before one is not believed after it. */
    #replaced = 0;

    constructor(
        readonly path: string,
        options: api.FileOptions<Content>,
    ) {
        this.#options = options;
        this.close = this.close.bind(this); // Pages pass it on: `.finally(file.close)`.
    }

    read(): api.CockpitPromise<Content | null, [tag: string]> {
        if (this.#reading !== null) return this.#reading;
        const result = new MultiPromise<Content | null, [string]>();
        this.#reading = result;
        this.#readInto(result);
        return result;
    }

    #readInto(result: MultiPromise<Content | null, [string]>): void {
        const { max_read_size } = this.#options;
        const began = this.#replaced;
        const channel = this.#open({ payload: "fsread1", ...(max_read_size === undefined ? {} : { max_read_size }) });
        const data = channel.buffer(null);
        channel.addEventListener("close", (_event, close) => {
            this.#ongoing.delete(channel);
            if (close.problem === undefined && began !== this.#replaced) {
                this.#readInto(result);
                return;
            }
            this.#reading = null;
            this.#readEnded(result, close, data.squash());
        });
    }

    #readEnded(result: MultiPromise<Content | null, [string]>, close: api.ControlMessage, data: api.Payload): void {
        const tag = tagOf(close);
        try {
            if (close.problem !== undefined) throw new BasicError(close.problem, close.message);
            const content = tag === "-" ? null : this.#parse(data);
            result.settle("resolved", [content, tag]);
            this.#tell(content, tag);
        } catch (error) {
            result.settle("rejected", [error]);
            this.#tell(null, close.problem === undefined ? tag : null, error as api.CockpitError);
        }
    }

    replace(content: Content | null, expectedTag?: string): api.CockpitPromise<string> {
        const result = new MultiPromise<string>();
        let data: api.SendablePayload | null;
        try {
            data = content === null ? null : this.#stringify(content);
        } catch (error) {
            result.settle("rejected", [error]);
            return result;
        }
        const channel = this.#open({ payload: "fsreplace1", ...(expectedTag === undefined ? {} : { tag: expectedTag }) });
        channel.addEventListener("close", (_event, close) => {
            this.#ongoing.delete(channel);
            if (close.problem !== undefined) {
                result.settle("rejected", [new BasicError(close.problem, close.message)]);
                return;
            }
            this.#replaced++;
            const tag = tagOf(close);
            this.#tell(content, tag);
            result.settle("resolved", [tag]);
        });
        // No data at all deletes the file; an empty message makes an empty one.
        if (data !== null && isEmpty(data)) channel.send("");
        else if (data !== null) sendInBlocks(channel, data);
        channel.control({ command: "done" });
        return result;
    }

    modify(
        callback: (content: Content | null) => Content | null | undefined,
        initialContent?: Content | string | null,
        initialTag?: string,
    ): api.CockpitPromise<Content | null, [tag: string]> {
        const result = new MultiPromise<Content | null, [string]>();
        const failed = (error: unknown) => result.settle("rejected", [error]);
        const change = (old: Content | null, tag?: string) => {
            try {
                const returned = callback(old);
                const content = returned === undefined ? old : returned;
                this.replace(content, tag)
                    .done((newTag) => result.settle("resolved", [content, newTag]))
                    .fail((error) => {
                        if (error.problem === "change-conflict") again();
                        else failed(error);
                    });
            } catch (error) {
                failed(error);
            }
        };
        const again = () => this.read().done(change).fail(failed);
        if (initialContent === undefined) again();
        else change(initialContent as Content | null, initialTag);
        return result;
    }

    watch(callback: WatchCallback<Content>, options?: { readonly read?: boolean }): api.Removable {
        const handle = {};
        const read = options?.read ?? true;
        this.#watchers.set(handle, { callback, read });
        this.#startWatch();
        if (read) this.read();
        return {
            remove: () => {
                this.#watchers.delete(handle);
                if (this.#watchers.size === 0) this.#stopWatch();
            },
        };
    }

    close(): void {
        for (const channel of [...this.#ongoing]) channel.close("cancelled");
        this.#watchers.clear();
        this.#stopWatch();
    }

    #startWatch(): void {
        if (this.#watch === null) this.#watchBy("fsinfo");
    }

    /** `fsinfo` says first how things stand; older bridges have only `fswatch1`, which says what happens. */
    #watchBy(payload: "fsinfo" | "fswatch1"): void {
        const channel = new PageChannel({ payload, path: this.path, ...(payload === "fsinfo" ? { attrs: ["tag"], watch: true } : {}), ...this.#place() });
        const state = new WatchedState();
        let heard = false;
        this.#watch = channel;
        channel.addEventListener("message", (_event, data) => {
            heard = true;
            this.#changed(payload === "fsinfo" ? state.patch(String(data)) : tagOfEvent(String(data)));
        });
        channel.addEventListener("close", (_event, close) => {
            if (this.#watch !== channel) return;
            this.#watch = null;
            const unknown = close.problem === "not-supported" || close.problem === "protocol-error";
            if (payload === "fsinfo" && !heard && unknown) this.#watchBy("fswatch1");
            else if (close.problem !== undefined) this.#watchFailed(new BasicError(close.problem, close.message));
        });
    }

    #watchFailed(error: BasicError): void {
        for (const { callback } of [...this.#watchers.values()]) callSafely(() => callback(null, null, error));
    }

    #stopWatch(): void {
        const channel = this.#watch;
        this.#watch = null;
        channel?.close();
        this.#watchTag = null;
    }

    /** The file is in another state; a tag that we know already is the echo of our own act. */
    #changed(tag: string | null): void {
        if (tag !== null && tag === this.#watchTag) return;
        if ([...this.#watchers.values()].some(({ read }) => read)) this.read();
        this.#tellBlind(tag);
    }

    #tell(content: Content | null, tag: string | null, error?: api.CockpitError): void {
        this.#watchTag = tag;
        for (const { callback, read } of [...this.#watchers.values()]) {
            if (read) callSafely(() => callback(content, tag, error));
        }
    }

    #tellBlind(tag: string | null): void {
        for (const { callback, read } of [...this.#watchers.values()]) if (!read) callSafely(() => callback(null, tag));
    }

    #open(options: api.ChannelOptions): PageChannel {
        const binary = this.#options.binary === true;
        const channel = new PageChannel({ path: this.path, binary, ...this.#place(), ...options });
        this.#ongoing.add(channel);
        return channel;
    }

    #place(): api.ChannelOptions {
        const { host, superuser } = this.#options;
        return { ...(host === undefined ? {} : { host }), ...(superuser === undefined ? {} : { superuser }) };
    }

    #parse(data: api.Payload): Content {
        const { syntax } = this.#options;
        return syntax === undefined ? (data as Content) : syntax.parse(data as string);
    }

    #stringify(content: Content): api.SendablePayload {
        const { syntax } = this.#options;
        return syntax === undefined ? (content as api.SendablePayload) : syntax.stringify(content);
    }
}

/** What `fsinfo` says, which sends what changed (JSON merge patches). */
class WatchedState {
    #tag: string | null = null;
    #problem: string | null = null;

    /** The tag after the change: `-` without a file, null when it cannot be known. */
    patch(text: string): string | null {
        const { info, error } = JSON.parse(text) as { readonly info?: { readonly tag?: string | null } | null; readonly error?: { readonly problem?: string } | null };
        if (info === null) this.#tag = null;
        else if (info?.tag !== undefined) this.#tag = info.tag;
        if (error !== undefined) this.#problem = error === null ? null : (error.problem ?? "internal-error");
        return this.#problem === "not-found" ? "-" : this.#problem === null ? this.#tag : null;
    }
}

function tagOfEvent(text: string): string | null {
    const { tag } = JSON.parse(text) as { readonly tag?: string };
    return tag ?? null;
}

function tagOf(close: api.ControlMessage): string {
    return typeof close["tag"] === "string" ? close["tag"] : "-";
}

function isEmpty(data: api.SendablePayload): boolean {
    return data instanceof ArrayBuffer ? data.byteLength === 0 : data.length === 0;
}

export function file(path: string, options: api.FileOptions<Uint8Array> & { readonly binary: true }): api.FileHandle<Uint8Array>;
export function file<Content>(path: string, options: api.FileOptions<Content> & { readonly syntax: api.Syntax<Content> }): api.FileHandle<Content>;
export function file(path: string, options?: api.FileOptions<string>): api.FileHandle<string>;
export function file<Content>(path: string, options: api.FileOptions<Content> = {}): api.FileHandle<Content> {
    return new PageFile<Content>(path, options);
}
