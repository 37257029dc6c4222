/**
 * The whole interface against a scripted bridge: serves `web/dist` on loopback with the real headers, and answers
 * channels from `machine.mjs`.
 *
 * `node scripted/serve.mjs [PORT]` for a look with one's own browser; the tests call `serve`.
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { Bridge } from "./bridge.mjs";
import { accept } from "./websocket.mjs";

const DIST = fileURLToPath(new URL("../../../web/dist/", import.meta.url));

/** The policy of our own documents, as the server sends it. */
const POLICY =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; object-src 'none'; frame-src 'self'; frame-ancestors 'self'; require-trusted-types-for 'script'";

const HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "sameorigin",
};

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** Starts on loopback; `machine` answers what the pages ask. Resolves to the address and what controls the server. */
export async function serve(machine, port = 0) {
    const sockets = new Set();
    const bridges = new Set();
    let refusing = false;
    const login = new Login(machine);
    const server = createServer((request, response) => {
        if (new URL(request.url, "http://localhost").pathname === "/cockpit/login") login.answer(request, response);
        else answer(request, response).catch(() => response.writeHead(500).end());
    });
    server.on("upgrade", (request, socket) => {
        if (refusing) {
            socket.destroy();
            return;
        }
        if (login.session === "ended") {
            const connection = accept(request, socket, { message: () => undefined, closed: () => undefined });
            connection.send(`\n${JSON.stringify({ command: "init", version: 1, problem: "no-session" })}`);
            connection.close("no-session");
            return;
        }
        sockets.add(socket);
        const connection = accept(request, socket, {
            message: (message) => bridge.receive(message),
            closed: () => {
                bridge.close();
                bridges.delete(bridge);
                sockets.delete(socket);
            },
        });
        const bridge = new Bridge(machine, connection.send);
        bridges.add(bridge);
    });
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    return {
        address: `http://localhost:${server.address().port}`,
        /** Cuts every link, and refuses new ones until `restore`. */
        cut: () => {
            refusing = true;
            for (const socket of sockets) socket.destroy();
        },
        restore: () => {
            refusing = false;
        },
        /** Ends the session as if somebody had logged out elsewhere. */
        endSession: () => {
            login.session = "ended";
            for (const socket of sockets) socket.destroy();
        },
        /** Logs in by another tab. */
        beginSession: () => {
            login.session = "live";
        },
        close: () => {
            for (const socket of sockets) socket.destroy();
            server.closeAllConnections();
            server.close();
        },
    };
}

/** The header exchange of `/cockpit/login`: a password, then the machine's code if it has one. */
class Login {
    session = "live";
    #machine;

    constructor(machine) {
        this.#machine = machine;
    }

    answer(request, response) {
        const [scheme = "", ...words] = (request.headers.authorization ?? "").split(" ");
        const said = Buffer.from(words.at(-1) ?? "", "base64").toString();
        const isRight = scheme === "Basic" ? said === `ada:${this.#machine.password}` : scheme === "X-Conversation" && words[0] === "7f" && said === this.#machine.code;
        if (isRight && scheme === "Basic" && this.#machine.code !== null) {
            const body = { prompt: "Code from the token: ", echo: true, message: "Ada's <b>token</b> is known." };
            response.writeHead(401, { ...HEADERS, "WWW-Authenticate": `X-Conversation 7f ${Buffer.from(body.prompt).toString("base64")}` }).end(JSON.stringify(body));
            return;
        }
        if (isRight) this.session = "live";
        if (this.session === "live") response.writeHead(200, HEADERS).end(JSON.stringify({ "csrf-token": "scripted" }));
        else response.writeHead(401, HEADERS).end(JSON.stringify({ problem: "authentication-failed" }));
    }
}

async function answer(request, response) {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname.startsWith("/assets/")) {
        const file = path.join(DIST, path.normalize(pathname));
        const content = await readFile(file).catch(() => null);
        if (content === null) response.writeHead(404, HEADERS).end();
        else response.writeHead(200, { ...HEADERS, "Content-Type": TYPES[path.extname(file)] }).end(content);
        return;
    }
    if (pathname === "/cockpit/@localhost/base1/cockpit.js") {
        response.writeHead(200, { ...HEADERS, "Content-Type": "text/javascript" }).end(await readFile(path.join(DIST, "base1/cockpit.js")));
        return;
    }
    if (/^\/cockpit\/@[^/]+\/(demo|system)\//.test(pathname)) {
        const file = pathname.endsWith(".js") ? "demo.js" : "demo.html";
        const content = await readFile(new URL(`./package/${file}`, import.meta.url));
        response.writeHead(200, { ...HEADERS, "Content-Type": file.endsWith(".js") ? "text/javascript" : "text/html" }).end(content);
        return;
    }
    if (pathname === "/cockpit/@localhost/manifests-i18n.js") {
        const german = /CockpitLang=de/.test(request.headers.cookie ?? "");
        response.writeHead(200, { ...HEADERS, "Content-Type": "text/javascript" }).end(german ? 'cockpit.locale({"": {"plural-forms": (n) => n != 1}, "Demo": [null, "Vorführung"]}); throw new Error("run");' : "");
        return;
    }
    if (pathname.startsWith("/cockpit/") || pathname === "/favicon.ico") {
        response.writeHead(404, HEADERS).end();
        return;
    }
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY }).end(await document());
}

/** The frame of the shell, as the server's template has it. */
async function document() {
    const entries = JSON.parse(await readFile(path.join(DIST, "entries.json"), "utf8"));
    const preload = entries.preload.map((file) => `<link rel="modulepreload" href="/assets/${file}">`).join("");
    return `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Pilothouse</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/${entries["shell.css"]}">${preload}
<script type="module" src="/assets/${entries["shell.js"]}"></script></head><body><div id="app"></div></body></html>`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { Machine } = await import("./machine.mjs");
    const { address } = await serve(new Machine(), Number(process.argv[2] ?? 9099));
    console.log(address);
}
