// ESLint: the rules that keep a machine's data from becoming code, and types from becoming guesses.
//
// Run by `npm run check`. typescript-eslint needs the JavaScript API of TypeScript 6, so that version is
// installed beside the native compiler which checks the types (`check:types`).

import tseslint from "typescript-eslint";

/** Ways to turn a string into markup or code. Data of a managed machine is text and stays text. */
const bannedProperties = ["innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML", "setHTMLUnsafe", "createContextualFragment", "srcdoc"];

const bannedSyntax = [
    { selector: "ExportDefaultDeclaration", message: "No default exports: a name is the same everywhere." },
    { selector: "ExportAllDeclaration", message: "No barrel files: import from the file that has it." },
    { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Data is text: write it as a child." },
    { selector: "JSXAttribute[name.name='srcdoc']", message: "A document made from a string is refused by our policy." },
    ...bannedProperties.map((name) => ({
        selector: `:matches(MemberExpression[property.name='${name}'], MemberExpression[property.value='${name}'], Property[key.name='${name}'])`,
        message: `${name} turns data into markup. Build elements, or set textContent.`,
    })),
    { selector: "CallExpression[callee.object.name='document'][callee.property.name=/^write(ln)?$/]", message: "document.write turns data into markup." },
    { selector: "CallExpression[callee.name=/^set(Timeout|Interval)$/] > Literal:first-child", message: "A timer takes a function, not code in a string." },
];

export default tseslint.config(
    { ignores: ["dist/", "node_modules/"] },
    {
        files: ["**/*.{ts,tsx}"],
        extends: [tseslint.configs.strictTypeChecked],
        languageOptions: { parserOptions: { project: ["./tsconfig.node.json"], tsconfigRootDir: import.meta.dirname } },
        linterOptions: { reportUnusedDisableDirectives: "error" },
        rules: {
            "no-eval": "error",
            "no-new-func": "error",
            "no-script-url": "error",
            eqeqeq: ["error", "always", { null: "ignore" }],
            "no-console": "error",
            "no-restricted-syntax": ["error", ...bannedSyntax],
            "@typescript-eslint/no-implied-eval": "error",
            "@typescript-eslint/no-explicit-any": "error",
            "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
            "@typescript-eslint/consistent-type-imports": "error",
            "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
            // Overloads say more than a union when the arguments mean different things.
            "@typescript-eslint/unified-signatures": "off",
            // Numbers and void arrows read well; both are checked by the compiler already.
            "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
        },
    },
    {
        // The API's own promises are settled and answered by `done` and `fail`, which return the promise itself.
        files: ["src/cockpit/**/*.ts"],
        ignores: ["**/*.test.ts"],
        rules: {
            "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafePromises: [{ from: "file", name: ["CockpitPromise", "MultiPromise", "CallPromise"] }] }],
        },
    },
    {
        // The build and the tests run in node, on our own files, and print.
        files: ["build.ts", "test.ts", "build/**/*.ts", "**/*.test.{ts,tsx}", "src/testing/**/*.ts"],
        rules: {
            "no-console": "off",
            "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [{ from: "package", name: ["test", "it", "describe", "suite"], package: "node:test" }] }],
        },
    },
);
