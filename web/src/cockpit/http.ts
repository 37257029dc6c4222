/** `cockpit.http()`: requests to a service on the host, over a Unix socket or a port there. */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { HttpError } from "./errors";
import { sendInBlocks } from "./process";
import { MultiPromise } from "./promise";

type Headers = Readonly<Record<string, string>>;

class PageRequest extends MultiPromise<string> implements api.HttpRequest {
    readonly channel: PageChannel;
    readonly #body: api.ChannelBuffer;
    #response: { readonly status: number; readonly reason: string; readonly headers: Headers } | null = null;
    #onResponse: ((status: number, headers: Headers) => void) | null = null;

    constructor(options: api.ChannelOptions) {
        super();
        this.channel = new PageChannel({ payload: "http-stream2", ...options });
        this.#body = this.channel.buffer(null);
        this.channel.addEventListener("control", (_event, message) => this.#control(message));
        this.channel.addEventListener("close", (_event, close) => this.#ended(close));
        this.lend({
            input: (data?: api.SendablePayload | null, stream?: boolean) => this.input(data, stream),
            stream: (callback: (data: string) => unknown) => this.stream(callback),
            response: (callback: (status: number, headers: Headers) => void) => this.response(callback),
            close: (problem?: string) => this.close(problem),
        });
    }

    input(data?: api.SendablePayload | null, stream?: boolean): this {
        if (data != null) sendInBlocks(this.channel, data);
        if (stream !== true) this.channel.control({ command: "done" });
        return this;
    }

    stream(callback: (data: string) => unknown): this {
        this.#body.callback = callback as (data: api.Payload) => unknown;
        return this;
    }

    response(callback: (status: number, headers: Headers) => void): this {
        this.#onResponse = callback;
        return this;
    }

    close(problem?: string): this {
        this.channel.close(problem);
        return this;
    }

    #control(message: api.ControlMessage): void {
        if (message.command !== "response") return;
        const { status, reason, headers } = message;
        this.#response = { status: Number(status), reason: typeof reason === "string" ? reason : "", headers: (headers ?? {}) as Headers };
        this.#onResponse?.(this.#response.status, this.#response.headers);
    }

    #ended(close: api.ControlMessage): void {
        const body = this.#body.squash();
        const { status, reason } = this.#response ?? { status: null, reason: null };
        if (close.problem !== undefined) {
            this.settle("rejected", [new HttpError(status, reason, close.problem, close.message), ...(status === null ? [] : [body])]);
        } else if (status === null || status < 200 || status > 299) {
            const text = typeof body === "string" ? body : "";
            this.settle("rejected", [new HttpError(status, reason, null, status === null ? text : reason), body]);
        } else this.settle("resolved", [body]);
    }
}

class PageHttpClient implements api.HttpClient {
    readonly options: api.HttpOptions;
    readonly #options: api.ChannelOptions;
    readonly #headers: Headers;
    readonly #requests = new Set<PageRequest>();

    constructor(options: api.HttpOptions) {
        const { headers, ...rest } = options;
        this.options = options;
        this.#options = rest;
        this.#headers = headers ?? {};
    }

    get(path: string, params?: api.JsonObject | null, headers?: Headers): api.HttpRequest {
        return this.request({ method: "GET", path, body: "", ...(params == null ? {} : { params }), ...(headers === undefined ? {} : { headers }) });
    }

    post(path: string, body?: string | api.JsonObject | readonly number[] | Uint8Array | ArrayBuffer | null, headers?: Headers): api.HttpRequest {
        const isPlain = typeof body === "object" && body !== null && !(body instanceof Uint8Array) && !(body instanceof ArrayBuffer) && !Array.isArray(body);
        const type: Headers = isPlain ? { "Content-Type": "application/json" } : {};
        const request = this.request({ method: "POST", path, headers: { ...type, ...headers } });
        return request.input(isPlain ? JSON.stringify(body) : ((body ?? "") as api.SendablePayload));
    }

    request(options: api.HttpRequestOptions): api.HttpRequest {
        const { path = "/", method = "GET", params, headers, body, ...rest } = options;
        const request = new PageRequest({
            ...this.#options,
            ...rest,
            method,
            path: params === undefined ? path : `${path}?${queryOf(params)}`,
            headers: { ...this.#headers, ...headers },
        });
        this.#requests.add(request);
        request.always(() => this.#requests.delete(request));
        if (body !== undefined) request.input(body);
        return request;
    }

    close(problem?: string): void {
        for (const request of [...this.#requests]) request.close(problem);
    }
}

function queryOf(params: api.JsonObject): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(params)) {
        if (value !== undefined) query.append(name, typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : String(value));
    }
    return query.toString();
}

/** The endpoint is a port, the path of a socket, or all options at once. */
export function http(endpoint: string | number | api.HttpOptions, options: api.HttpOptions = {}): api.HttpClient {
    if (typeof endpoint === "object") return new PageHttpClient(endpoint);
    if (typeof endpoint === "string" && endpoint.startsWith("/")) return new PageHttpClient({ ...options, unix: endpoint });
    return new PageHttpClient({ ...options, port: Number(endpoint) });
}
