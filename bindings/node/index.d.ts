/** The contract, for `import`; it is the same for `require`, in `index.d.cts`. */
export * from "./index.cjs";
