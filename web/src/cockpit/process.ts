/** `cockpit.spawn()` and `cockpit.script()`: a program on the host, its input, its output and how it ended. */

import type * as api from "./api";
import { PageChannel } from "./channel";
import { blocksOf, bytesOf } from "./encoding";
import { ProcessError } from "./errors";
import { MultiPromise } from "./promise";

export class PageProcess<Data extends api.Payload> extends MultiPromise<Data, [message: string]> implements api.Process<Data> {
    readonly channel: PageChannel;
    readonly #output: api.ChannelBuffer;

    constructor(args: readonly string[], options: api.SpawnOptions) {
        super();
        // Pages pass other things on as arguments, also null.
        this.channel = new PageChannel({ payload: "stream", ...options, spawn: args.map(String) });
        this.#output = this.channel.buffer(null);
        this.channel.addEventListener("close", (_event, close) => this.#ended(close, args[0] ?? ""));
        this.lend({
            input: (data?: api.SendablePayload | null, stream?: boolean) => this.input(data, stream),
            stream: (callback: (data: Data) => unknown) => this.stream(callback),
            close: (problem?: string) => this.close(problem),
        });
    }

    input(data?: api.SendablePayload | null, stream?: boolean): this {
        if (data != null) sendInBlocks(this.channel, data);
        if (stream !== true) this.channel.control({ command: "done" });
        return this;
    }

    stream(callback: (data: Data) => unknown): this {
        this.#output.callback = callback as (data: api.Payload) => unknown;
        return this;
    }

    close(problem?: string): this {
        this.channel.close(problem);
        return this;
    }

    #ended(close: api.ControlMessage, program: string): void {
        const data = this.#output.squash();
        const status = close["exit-status"] ?? 0;
        const signal = close["exit-signal"] ?? null;
        if (close.problem !== undefined || status !== 0 || signal !== null) {
            const ran = close.problem === undefined || data.length > 0;
            this.settle("rejected", [new ProcessError(close, program), ...(ran ? [data] : [])]);
        } else this.settle("resolved", [data, close.message ?? ""]);
    }
}

/** Sends `data` in blocks that every server accepts. */
export function sendInBlocks(channel: PageChannel, data: api.SendablePayload): void {
    const whole = channel.binary ? bytesOf(data) : typeof data === "string" ? data : new TextDecoder().decode(bytesOf(data));
    for (const block of blocksOf(whole)) channel.send(block);
}

/** Starts a program. A text instead of a list is its name. */
export function spawn(args: readonly string[] | string, options?: api.SpawnOptions & { readonly binary?: false }): api.Process;
export function spawn(args: readonly string[] | string, options: api.BinarySpawnOptions): api.Process<Uint8Array>;
export function spawn(args: readonly string[] | string, options: api.SpawnOptions = {}): api.Process<never> {
    return new PageProcess<never>(typeof args === "string" ? [args] : args, options);
}

/** Runs a text with `/bin/sh`; `args` are its `$1`, `$2` … They may be left out before the options. */
export function script(text: string, args?: readonly string[] | api.SpawnOptions, options?: api.SpawnOptions): api.Process {
    const [given, chosen] = isList(args) ? [args, options] : [[], args ?? options];
    return new PageProcess<string>(["/bin/sh", "-c", text, "--", ...given], chosen ?? {});
}

function isList(args: readonly string[] | api.SpawnOptions | undefined): args is readonly string[] {
    return Array.isArray(args);
}
