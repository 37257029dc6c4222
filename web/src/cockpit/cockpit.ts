/** Cockpit's public JavaScript API as one object: what our pages import and packages get as `window.cockpit`. */

import type * as api from "./api";

export interface Cockpit {
    channel(options: api.ChannelOptions): api.Channel;
    spawn(args: readonly string[] | string, options?: api.SpawnOptions & { readonly binary?: false }): api.Process;
    spawn(args: readonly string[] | string, options: api.BinarySpawnOptions): api.Process<Uint8Array>;
    script(script: string, args?: readonly string[], options?: api.SpawnOptions): api.Process;
    dbus(name: string | null, options?: api.DBusOptions): api.DBusClient;
    variant(type: string, value: unknown): api.DBusVariant;
    byte_array(text: string): string;
    file(path: string, options: api.FileOptions<Uint8Array> & { readonly binary: true }): api.FileHandle<Uint8Array>;
    file<Content>(path: string, options: api.FileOptions<Content> & { readonly syntax: api.Syntax<Content> }): api.FileHandle<Content>;
    file(path: string, options?: api.FileOptions<string>): api.FileHandle<string>;
    http(endpoint: string | number | api.HttpOptions, options?: api.HttpOptions): api.HttpClient;
    metrics(interval: number, options: api.MetricsOptions | readonly api.MetricsOptions[]): unknown;
    location: api.Location;
    jump(path: string | readonly string[], host?: string): void;
    gettext(text: string): string;
    gettext(context: string, text: string): string;
    ngettext(one: string, many: string, count: number): string;
    ngettext(context: string, one: string, many: string, count: number): string;
    permission(options?: { readonly admin?: boolean }): api.Permission;
    user(): api.CockpitPromise<api.UserInfo>;
    logout(reload?: boolean, reason?: string): void;
    kill(host: string | null, group?: string | null): void;
    format(template: string, ...values: unknown[]): string;
    format_bytes(bytes: number | null | undefined): string;
    readonly hidden: boolean;
}

/** Filled in by the files of this folder. */
export const cockpit = {} as Cockpit;
