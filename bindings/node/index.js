/**
 * The entry for `import`: the same classes as `require` gives, by name.
 */
import indwell from "./index.cjs";

export const { CachedPrefix, Engine, IndwellError, TokenStream, devices, version } = indwell;
