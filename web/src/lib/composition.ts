/**
 * Input methods (Japanese, Chinese, Korean and others): keys that end a composition belong to it, whatever order a browser
 * tells things in. Chromium and Firefox mark such a key with `isComposing`; Safari ends the composition first, and then tells
 * the key with `keyCode` 229 or like any other (UI Events, "Input Method Editors").
 */
const OF_INPUT_METHOD = 229;
/** A key that comes so soon after the end of a composition (ms), before any key was let go, has ended it. */
const SOON_MS = 500;
let ended = Number.NEGATIVE_INFINITY;

addEventListener("compositionend", ({ timeStamp }) => (ended = timeStamp), true);
addEventListener("keyup", () => (ended = Number.NEGATIVE_INFINITY), true);

/** Whether this key is a part of a composition, so that it must not do anything else. */
export const composes = (event: KeyboardEvent): boolean =>
  event.isComposing || event.keyCode === OF_INPUT_METHOD || event.timeStamp - ended < SOON_MS;
