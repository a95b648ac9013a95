/**
 * The control channel's key numbers (control-channel contract, section 4) and which of them a browser's key stands for.
 * @module keys
 */

/** Names in the order of their numbers, which begin at 4; 52 and 53 are unused. */
const FROM_4 = [
  ...[...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((letter) => `Key${letter}`),
  ...[...'1234567890'].map((digit) => `Digit${digit}`),
  'Enter', 'Escape', 'Backspace', 'Tab', 'Space', 'Minus', 'Equal', 'BracketLeft', 'BracketRight', 'Backslash', 'Quote',
  'Semicolon', '', '', 'Comma', 'Period', 'Slash', 'CapsLock',
  ...Array.from({ length: 12 }, (_, i) => `F${i + 1}`),
  'PrintScreen', 'ScrollLock', 'Pause', 'Insert', 'Home', 'PageUp', 'Delete', 'End', 'PageDown', 'ArrowRight',
  'ArrowLeft', 'ArrowDown', 'ArrowUp', 'Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'NumLock', 'Volumedown', 'Volumeup',
  'Power', 'Back',
];

/** Numbers of our own, for keys that the contract has none for; a streamer that does not know them ignores them. */
const OWN = new Map(Object.entries({ Backquote: 200, IntlBackslash: 201, IntlRo: 202, IntlYen: 203, ContextMenu: 204 }));

/** @type {ReadonlyMap<string, number>} name → number, all 87 of the contract */
export const KEYS = new Map(FROM_4.map((name, i) => /** @type {[string, number]} */ ([name, i + 4])).filter(([name]) => name));

/**
 * Modifiers are keys of their own here and are sent at once. (The SDK sends them only before the next mapped key; the
 * contract allows both.) It knows no left and right, but tells AltGr from Alt.
 */
const MODIFIERS = new Map(Object.entries({
  ControlLeft: 'Control', ControlRight: 'Control', ShiftLeft: 'Shift', ShiftRight: 'Shift', AltLeft: 'Alt',
  AltRight: 'AltGraph', MetaLeft: 'Meta', MetaRight: 'Meta', OSLeft: 'Meta', OSRight: 'Meta',
}));

/** The numeric pad with what its keys type, in names of the table; two names are pressed one after the other. */
const NUMPAD = new Map(Object.entries({
  NumpadDivide: ['Slash'], NumpadSubtract: ['Minus'], NumpadEnter: ['Enter'], NumpadEqual: ['Equal'],
  NumpadComma: ['Comma'], NumpadAdd: ['Shift', 'Equal'], NumpadMultiply: ['Shift', 'Digit8'],
}));

/** F5, F11 and F12 reload the page, fill the screen and open the tools: they stay the browser's own. */
const BROWSER_KEYS = new Set(['F5', 'F11', 'F12']);

/**
 * The numbers to send for a key, in order; empty for keys that have no number.
 * @param {{code: string, key: string}} event a KeyboardEvent, or as much of it
 * @returns {number[]}
 */
export function keyNumbers(event) {
  return names(event).flatMap((name) => KEYS.get(name) ?? OWN.get(name) ?? []);
}

/**
 * @param {{code: string, key: string}} event
 * @returns {string[]}
 */
function names({ code, key }) {
  if (MODIFIERS.has(code)) return [/** @type {string} */ (MODIFIERS.get(code))];
  if (NUMPAD.has(code)) return /** @type {string[]} */ (NUMPAD.get(code));
  if (/^Numpad\d$/.test(code)) {
    // With NumLock off `key` names the meaning ("Home", "ArrowUp"); the 5 has none ("Clear", "Unidentified").
    return /^\d$/.test(key) ? [`Digit${key}`] : [key];
  }
  if (code === 'NumpadDecimal') return key === 'Delete' ? ['Delete'] : ['Period'];
  return [code];
}

/**
 * Whether a key is left to the browser. Ctrl+R is not: it searches the history of every shell.
 * @param {{code: string, ctrlKey: boolean, shiftKey: boolean}} event
 */
export function belongsToBrowser({ code, ctrlKey, shiftKey }) {
  return BROWSER_KEYS.has(code) || (ctrlKey && shiftKey && code === 'KeyI');
}
