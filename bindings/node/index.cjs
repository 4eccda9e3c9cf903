"use strict";

/**
 * The entry for `require`, and the map of `lib/`: one file a concept, over the private native
 * module.
 */
const { devices } = require("./lib/devices.cjs");
const { Engine } = require("./lib/engine.cjs");
const { IndwellError } = require("./lib/error.cjs");
const { version } = require("./lib/native.cjs");
const { CachedPrefix } = require("./lib/prefix.cjs");
const { TokenStream } = require("./lib/stream.cjs");

module.exports = { CachedPrefix, Engine, IndwellError, TokenStream, devices, version };
