/**
 * The types of Cockpit's public JavaScript API, as its developer guide documents it. Types only.
 *
 * Our pages and the files beside this one import them; the implementations stand one subject a file.
 * Numbers of time are milliseconds unless a comment says otherwise; names follow the guide, dashes and all.
 */

// ---------------------------------------------------------------- values

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON object; `undefined` members are left out on the wire. */
export interface JsonObject {
    readonly [name: string]: JsonValue | undefined;
}

/** What a binary channel carries. Senders may also give an array of byte values. */
export type Bytes = Uint8Array;
export type Payload = string | Bytes;
export type SendablePayload = string | Bytes | ArrayBuffer | readonly number[];

// ---------------------------------------------------------------- errors

/** An error with one of the protocol's codes (`problem`); `null` when the other side named none. */
export interface CockpitError extends Error {
    readonly problem: string | null;
    readonly message: string;
}

/** How a program ended: exactly one of status and signal is set when it ran at all. */
export interface ProcessFailure extends CockpitError {
    readonly exit_status: number | null;
    readonly exit_signal: string | null;
}

/** `name` is the D-Bus error name, `null` when the channel itself failed. */
export interface DBusFailure extends Error {
    readonly problem: string | null;
}

/** The answer of an HTTP server that was not a success. */
export interface HttpFailure extends CockpitError {
    /** Null when there was no answer. */
    readonly status: number | null;
    readonly reason: string | null;
}

// ---------------------------------------------------------------- promises

/** A promise that may carry several values: `done` callbacks get all of them, `await` and `then` the first. */
export interface CockpitPromise<T, Rest extends readonly unknown[] = []> extends Promise<T> {
    done(callback: (value: T, ...rest: Rest) => void): this;
    fail(callback: (error: CockpitError, ...rest: unknown[]) => void): this;
    always(callback: (...values: unknown[]) => void): this;
    progress(callback: (...values: unknown[]) => void): this;
    state(): "pending" | "resolved" | "rejected";
    promise(): this;
}

export interface Deferred<T> {
    readonly promise: CockpitPromise<T>;
    resolve(...values: unknown[]): this;
    reject(...values: unknown[]): this;
    notify(...values: unknown[]): this;
}

// ---------------------------------------------------------------- events

/** Both ways of the guide: `addEventListener(type, (event, ...args) => …)` and `on…` where an object has one. */
export interface EventSource<Events extends Record<string, readonly unknown[]>> {
    addEventListener<K extends keyof Events & string>(
        type: K,
        listener: (event: CustomEvent, ...args: Events[K]) => void,
    ): void;
    removeEventListener<K extends keyof Events & string>(
        type: K,
        listener: (event: CustomEvent, ...args: Events[K]) => void,
    ): void;
    dispatchEvent(event: Event | string, ...args: unknown[]): boolean;
}

// ---------------------------------------------------------------- channels

export type Superuser = "require" | "try" | true | null;

/** Options of every channel; payload types add their own. */
export interface ChannelOptions extends JsonObject {
    readonly payload?: string;
    readonly host?: string;
    readonly user?: string;
    readonly group?: string;
    readonly superuser?: Superuser;
    readonly session?: "private" | "shared";
    readonly binary?: boolean;
    readonly "flow-control"?: boolean;
}

/** `ready`, `close`, `done` … as they came; `problem` only in a `close` that was not clean. */
export interface ControlMessage extends JsonObject {
    readonly command: string;
    readonly channel?: string;
    readonly problem?: string;
    readonly message?: string;
}

export interface ChannelEvents extends Record<string, readonly unknown[]> {
    ready: readonly [options: ControlMessage];
    message: readonly [data: Payload];
    control: readonly [options: ControlMessage];
    close: readonly [options: ControlMessage];
}

export interface ChannelBuffer {
    /** Returns how much it used, in characters or bytes; anything but a number means all. */
    callback: ((data: Payload) => unknown) | null;
    /** What is left; empties the buffer. */
    squash(): Payload;
}

export interface Channel extends EventSource<ChannelEvents> {
    /** Null until the link is up. */
    readonly id: string | null;
    readonly options: ChannelOptions;
    readonly binary: boolean;
    readonly valid: boolean;
    send(message: SendablePayload): void;
    control(options: JsonObject): void;
    close(problemOrOptions?: string | JsonObject): void;
    wait(callback?: (options: ControlMessage) => void): CockpitPromise<ControlMessage>;
    /** Collects what comes; a callback takes the data so far and returns how much of it was used. */
    buffer(callback?: ((data: Payload) => unknown) | null): ChannelBuffer;
}

// ---------------------------------------------------------------- processes

export interface SpawnOptions extends ChannelOptions {
    readonly directory?: string;
    readonly environ?: readonly string[];
    readonly err?: "message" | "out" | "ignore" | "pty";
    readonly pty?: boolean;
    readonly window?: { readonly rows: number; readonly cols: number };
    readonly batch?: number;
    readonly latency?: number;
}

export type BinarySpawnOptions = SpawnOptions & { readonly binary: true };

/** A running program. Resolves to its output (and the message of its standard error) when it ends with 0. */
export interface Process<Data extends Payload = string> extends CockpitPromise<Data, [message: string]> {
    input(data?: SendablePayload | null, stream?: boolean): this;
    stream(callback: (data: Data) => unknown): this;
    close(problem?: string): this;
    readonly channel: Channel;
    fail(callback: (error: ProcessFailure, data: Data) => void): this;
}

// ---------------------------------------------------------------- D-Bus

export interface DBusOptions extends ChannelOptions {
    readonly bus?: "system" | "session" | "user" | "internal" | "none";
    readonly address?: string;
    readonly track?: boolean;
}

export interface DBusCallOptions {
    /** The service, for a client that has none. */
    readonly name?: string;
    /** Signature of the arguments; without it the bridge asks the object. */
    readonly type?: string;
    /** A string, possibly empty, asks for the flags of the reply; `i`: allow interactive authorization. */
    readonly flags?: string;
    /** Milliseconds. */
    readonly timeout?: number;
}

export interface DBusVariant {
    readonly t: string;
    readonly v: unknown;
}

export interface DBusMatch {
    readonly name?: string;
    readonly path?: string;
    readonly path_namespace?: string;
    readonly interface?: string;
    readonly member?: string;
    readonly arg0?: string;
}

export interface DBusWatchMatch {
    readonly name?: string;
    readonly path?: string;
    readonly path_namespace?: string;
    readonly interface?: string;
}

/** Path → interface → property → value; `null` for an interface that went away. */
export type DBusNotification = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>> | null>>>>;

export interface DBusInterfaceMeta {
    readonly methods?: Readonly<Record<string, { readonly in?: readonly string[]; readonly out?: readonly string[] }>>;
    readonly properties?: Readonly<Record<string, { readonly flags?: string; readonly type?: string }>>;
    readonly signals?: Readonly<Record<string, { readonly in?: readonly string[] }>>;
}
export type DBusMeta = Readonly<Record<string, DBusInterfaceMeta>>;

/** Ends what it was returned for. */
export interface Removable {
    remove(): void;
}

export interface DBusClientEvents extends Record<string, readonly unknown[]> {
    close: readonly [options: ControlMessage];
    owner: readonly [owner: string | null];
    notify: readonly [data: DBusNotification];
    meta: readonly [data: DBusMeta];
}

export type DBusSignalCallback = (path: string, iface: string, signal: string, args: readonly unknown[]) => void;

export interface DBusClient extends EventSource<DBusClientEvents> {
    readonly options: DBusOptions;
    readonly unique_name: string | null;
    wait(callback?: (options: ControlMessage) => void): CockpitPromise<ControlMessage>;
    close(problemOrOptions?: string | JsonObject): void;
    call(
        path: string,
        iface: string,
        method: string,
        args?: readonly unknown[] | null,
        options?: DBusCallOptions,
    ): CockpitPromise<readonly unknown[], [options: { readonly type?: string; readonly flags?: string }]>;
    proxy<Properties extends object = Record<string, unknown>>(
        iface?: string,
        path?: string,
        options?: DBusProxyOptions,
    ): DBusProxy<Properties>;
    proxies<Properties extends object = Record<string, unknown>>(
        iface?: string,
        pathNamespace?: string,
        options?: DBusProxyOptions,
    ): DBusProxies<Properties>;
    subscribe(match: DBusMatch, callback: DBusSignalCallback, rule?: boolean): Removable;
    watch(path: string | DBusWatchMatch): CockpitPromise<void> & Removable;
    notify(data: DBusNotification): void;
    meta(data: DBusMeta): void;
    variant(type: string, value: unknown): DBusVariant;
    publish(path: string, iface: string, object: object): CockpitPromise<void> & Removable;
    signal(path: string, iface: string, member: string, args?: readonly unknown[]): void;
}

export interface DBusProxyOptions {
    /** The service, for a client that has none. */
    readonly name?: string;
    /** `false`: only calls; properties are not fetched and do not change. */
    readonly watch?: boolean;
}

export interface DBusProxyEvents extends Record<string, readonly unknown[]> {
    /** `null` when the interface went away. */
    changed: readonly [data: Readonly<Record<string, unknown>> | null];
    signal: readonly [name: string, args: readonly unknown[]];
}

/** What every proxy has beside the properties and methods of its interface. */
export interface DBusProxyBase<Properties> extends EventSource<DBusProxyEvents> {
    readonly client: DBusClient;
    readonly path: string;
    readonly iface: string;
    /** Whether the object has this interface now. */
    readonly valid: boolean;
    /** All properties as they came, whatever their names. */
    readonly data: Readonly<Partial<Properties>>;
    call(method: string, args?: readonly unknown[] | null, options?: DBusCallOptions): CockpitPromise<readonly unknown[]>;
    wait(callback?: () => void): CockpitPromise<void>;
    onchanged: ((event: CustomEvent, data: Readonly<Record<string, unknown>> | null) => void) | null;
    onsignal: ((event: CustomEvent, name: string, args: readonly unknown[]) => void) | null;
}
export type DBusProxy<Properties extends object = Record<string, unknown>> = DBusProxyBase<Properties> &
    Readonly<Partial<Properties>>;

export interface DBusProxiesEvents<Properties extends object> extends Record<string, readonly unknown[]> {
    added: readonly [proxy: DBusProxy<Properties>];
    changed: readonly [proxy: DBusProxy<Properties>, data: Readonly<Record<string, unknown>>];
    removed: readonly [proxy: DBusProxy<Properties>];
}

/** Every object with one interface below a path; the objects are its own enumerable properties, by path. */
export interface DBusProxiesBase<Properties extends object> extends EventSource<DBusProxiesEvents<Properties>> {
    readonly client: DBusClient;
    readonly iface: string;
    readonly path_namespace: string;
    wait(callback?: () => void): CockpitPromise<void>;
    onadded: ((event: CustomEvent, proxy: DBusProxy<Properties>) => void) | null;
    onchanged: ((event: CustomEvent, proxy: DBusProxy<Properties>) => void) | null;
    onremoved: ((event: CustomEvent, proxy: DBusProxy<Properties>) => void) | null;
}
export type DBusProxies<Properties extends object = Record<string, unknown>> = DBusProxiesBase<Properties> & {
    /** `Object.values(proxies)` and `proxies["/path"]`. */
    readonly [path: `/${string}`]: DBusProxy<Properties> | undefined;
};

// ---------------------------------------------------------------- files

/** How the content is turned into a value and back, for example `JSON`. */
export interface Syntax<Content> {
    parse(text: string): Content;
    stringify(content: Content): string;
}

export interface FileOptions<Content> {
    readonly host?: string;
    readonly superuser?: Superuser;
    readonly syntax?: Syntax<Content>;
    readonly binary?: boolean;
    readonly max_read_size?: number;
}

/** Identifies one state of a file; `-` when it does not exist. */
export type FileTag = string;

export interface FileHandle<Content> {
    readonly path: string;
    /** Content and tag; content is `null` when there is no file. */
    read(): CockpitPromise<Content | null, [tag: FileTag]>;
    /** `null` deletes the file. With a tag: only if the file is still in that state, else `change-conflict`. */
    replace(content: Content | null, tag?: FileTag): CockpitPromise<FileTag>;
    modify(
        callback: (content: Content | null) => Content | null | undefined,
        initialContent?: Content | string | null,
        initialTag?: FileTag,
    ): CockpitPromise<Content | null, [tag: FileTag]>;
    /** Calls back now and after every change; content is `null` with `read: false` or without a file. */
    watch(
        callback: (content: Content | null, tag: FileTag | null, error?: CockpitError) => void,
        options?: { readonly read?: boolean },
    ): Removable;
    close(): void;
}

// ---------------------------------------------------------------- HTTP

export interface HttpOptions extends ChannelOptions {
    readonly address?: string;
    readonly port?: number;
    readonly unix?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly tls?: JsonObject;
}

export interface HttpRequestOptions extends JsonObject {
    readonly path?: string;
    readonly method?: string;
    readonly params?: JsonObject;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: SendablePayload & JsonValue;
}

export interface HttpRequest extends CockpitPromise<string> {
    input(data?: SendablePayload | null, stream?: boolean): this;
    stream(callback: (data: string) => unknown): this;
    response(callback: (status: number, headers: Readonly<Record<string, string>>) => void): this;
    close(problem?: string): this;
    fail(callback: (error: HttpFailure, data: string) => void): this;
}

export interface HttpClient {
    get(path: string, params?: JsonObject, headers?: Readonly<Record<string, string>>): HttpRequest;
    post(path: string, body?: SendablePayload | JsonObject | null, headers?: Readonly<Record<string, string>>): HttpRequest;
    request(options: HttpRequestOptions): HttpRequest;
    close(problem?: string): void;
}

// ---------------------------------------------------------------- metrics

export interface MetricDescription extends JsonObject {
    readonly name: string;
    readonly units?: string;
    readonly instances?: readonly string[];
    readonly semantics?: "instant" | "counter" | "discrete";
    readonly derive?: "" | "rate" | "delta";
}

export interface MetricsOptions extends ChannelOptions {
    readonly source?: string;
    readonly metrics?: readonly MetricDescription[];
    readonly instances?: readonly string[];
    readonly "omit-instances"?: readonly string[];
    /** Milliseconds between two samples. */
    readonly interval?: number;
    readonly timestamp?: number;
    readonly limit?: number;
}

export interface MetricsMeta extends JsonObject {
    readonly source?: string;
    readonly interval: number;
    readonly timestamp: number;
    readonly now: number;
    readonly metrics: readonly MetricDescription[];
}

/** One value of a metric: `false` when it was not available. An instanced metric has one for each instance. */
export type Sample = number | false;
export type Samples = readonly (Sample | readonly Sample[])[];

// ---------------------------------------------------------------- page

export interface Location {
    readonly url_root: string;
    readonly href: string;
    readonly path: readonly string[];
    readonly options: Readonly<Record<string, string | readonly string[]>>;
    go(path: string | readonly string[], options?: Readonly<Record<string, unknown>>): void;
    replace(path: string | readonly string[], options?: Readonly<Record<string, unknown>>): void;
    decode(href: string, options?: Record<string, unknown>): string[];
    encode(path: string | readonly string[], options?: Readonly<Record<string, unknown>>, withRoot?: boolean): string;
}

export interface UserInfo {
    readonly id: number;
    readonly gid: number;
    readonly name: string;
    readonly full_name: string;
    readonly groups: readonly string[];
    readonly home: string;
    readonly shell: string;
}

export interface PermissionEvents extends Record<string, readonly unknown[]> {
    changed: readonly [];
}

/** Whether the user may act as root here; `null` until it is known. */
export interface Permission extends EventSource<PermissionEvents> {
    readonly allowed: boolean | null;
    readonly user: UserInfo | null;
    readonly is_superuser: boolean | null;
    close(): void;
}
