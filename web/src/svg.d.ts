/** A picture that is imported is its address (`build.ts`). */
declare module "*.svg" {
    const address: string;
    export { address as default };
}
