"use strict";

/**
 * What this machine can compute on.
 */
const { CallSite } = require("./error.cjs");
const { environment } = require("./native.cjs");
const { settled } = require("./pending.cjs");

/** @returns {Promise<import("../index.cjs").Device[]>} */
async function devices() {
  const listed = await settled((key) => environment.devices(key), { site: new CallSite(devices) });
  return /** @type {import("../index.cjs").Device[]} */ (listed);
}

module.exports = { devices };
