/**
 * Plural rules of gettext catalogs: the text `nplurals=3; plural=(n==1 ? 0 : n<5 ? 1 : 2);` as a function.
 *
 * The language of the rule is C's expressions over `n` (GNU gettext manual, "Plural forms"). It is parsed and walked,
 * never run as script. Caller: `locale.ts`, for catalogs in JSON.
 */

/** Longest rule in characters; the longest known one (Arabic) has fewer than 150. */
const MAX_RULE = 500;

type Rule = (n: number) => number;

/** Operators from the loosest to the tightest; those of one row are read from left to right. */
const LEVELS: readonly (readonly (readonly [sign: string, apply: (a: number, b: number) => number])[])[] = [
    [["||", (a, b) => Number(a !== 0 || b !== 0)]],
    [["&&", (a, b) => Number(a !== 0 && b !== 0)]],
    [
        ["==", (a, b) => Number(a === b)],
        ["!=", (a, b) => Number(a !== b)],
    ],
    [
        ["<=", (a, b) => Number(a <= b)],
        [">=", (a, b) => Number(a >= b)],
        ["<", (a, b) => Number(a < b)],
        [">", (a, b) => Number(a > b)],
    ],
    [
        ["+", (a, b) => a + b],
        ["-", (a, b) => a - b],
    ],
    [
        ["*", (a, b) => a * b],
        ["/", (a, b) => (b === 0 ? 0 : Math.trunc(a / b))],
        ["%", (a, b) => (b === 0 ? 0 : a % b)],
    ],
];

/** The rule of a catalog's header; null when it cannot be read. */
export function pluralRule(header: string): Rule | null {
    const text = /plural\s*=\s*([^;]+)/.exec(header.replace(/nplurals\s*=\s*\d+\s*;?/, ""))?.[1];
    if (text === undefined || text.length > MAX_RULE) return null;
    const tokens = text.match(/\d+|n|\|\||&&|[=!<>]=|[<>+\-*/%?:()!]|\S/g) ?? [];
    const reader = new Reader(tokens);
    const rule = reader.choice();
    return rule === null || reader.next !== undefined ? null : rule;
}

class Reader {
    #at = 0;

    constructor(private readonly tokens: readonly string[]) {}

    get next(): string | undefined {
        return this.tokens[this.#at];
    }

    /** `condition ? one : other`, or what is tighter. */
    choice(): Rule | null {
        const condition = this.#binary(0);
        if (condition === null || !this.#took("?")) return condition;
        const one = this.choice();
        if (!this.#took(":")) return null;
        const other = this.choice();
        return one === null || other === null ? null : (n) => (condition(n) !== 0 ? one(n) : other(n));
    }

    #took(token: string): boolean {
        if (this.next !== token) return false;
        this.#at++;
        return true;
    }

    #binary(level: number): Rule | null {
        const operators = LEVELS[level];
        if (operators === undefined) return this.#unary();
        let left = this.#binary(level + 1);
        for (;;) {
            const found = operators.find(([sign]) => sign === this.next);
            if (left === null || found === undefined) return left;
            this.#at++;
            const [before, apply, right] = [left, found[1], this.#binary(level + 1)];
            left = right === null ? null : (n) => apply(before(n), right(n));
        }
    }

    #unary(): Rule | null {
        const token = this.next;
        this.#at++;
        if (token === "n") return (n) => n;
        if (token === "!") {
            const negated = this.#unary();
            return negated === null ? null : (n) => Number(negated(n) === 0);
        }
        if (token === "(") {
            const inner = this.choice();
            return this.#took(")") ? inner : null;
        }
        return token !== undefined && /^\d+$/.test(token) ? () => Number(token) : null;
    }
}
