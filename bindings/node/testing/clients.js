/**
 * What the tests of other people's clients share: which Node they run on, what they are asked.
 */

/**
 * Whether they are skipped: Indwell runs on Node 18, the clients promise nothing below 20.
 */
export const SKIP =
  Number.parseInt(process.versions.node, 10) < 20 && "the clients' packages need Node 20 or later";

/** A question with one short answer. */
export const QUESTION = [
  { role: "system", content: "You answer in one word." },
  { role: "user", content: "What is the capital of France?" },
];

/** Short enough that a small model says it whole: every value is one of few. */
export const REPORT = {
  type: "object",
  properties: {
    sky: { type: "string", enum: ["clear", "cloudy", "foggy"] },
    degrees: { type: "integer", minimum: -40, maximum: 50 },
    windy: { type: "boolean" },
  },
  required: ["sky", "degrees", "windy"],
  additionalProperties: false,
};

/** The arguments of a tool. */
export const PLACE = {
  type: "object",
  properties: {
    city: { type: "string", enum: ["Oslo", "Rome", "Quito"] },
    days: { type: "integer", minimum: 1, maximum: 9 },
  },
  required: ["city", "days"],
  additionalProperties: false,
};
