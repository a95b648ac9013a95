/**
 * What a key types, beside where it lies. The session's keyboard is a US one and gets keys by their place; this is for what people with
 * another layout would miss. Pure functions.
 * @module characters
 */

/** What the keys of a US keyboard type, plain and with Shift. */
const US = new Map(Object.entries({
  Digit1: '1!', Digit2: '2@', Digit3: '3#', Digit4: '4$', Digit5: '5%', Digit6: '6^', Digit7: '7&', Digit8: '8*', Digit9: '9(', Digit0: '0)',
  Minus: '-_', Equal: '=+', BracketLeft: '[{', BracketRight: ']}', Backslash: '\\|', Semicolon: ';:', Quote: '\'"', Backquote: '`~',
  Comma: ',<', Period: '.>', Slash: '/?', Space: '  ',
}));
for (const letter of 'abcdefghijklmnopqrstuvwxyz') US.set(`Key${letter.toUpperCase()}`, letter + letter.toUpperCase());

/** What the keys of the numeric pad type is on other keys too, and found there. */
const BY_PLACE = /^(Numpad|F\d|Arrow|Control|Shift|Alt|Meta|OS)/;

/**
 * What to do with a key that goes down:
 * - `{code}`: press the key of that name (as KeyboardEvent.code),
 * - `{text}`: type a character, since no key of a US keyboard has it at this place.
 *
 * Keys go by their place as long as that types the same, which is what games want; else by what they type.
 * @param {{code: string, key: string, ctrlKey: boolean, altKey: boolean, metaKey: boolean, shiftKey: boolean,
 *   getModifierState?: (name: string) => boolean}} event
 * @returns {{code: string} | {text: string}}
 */
export function meaning(event) {
  const { code, key } = event;
  if ([...key].length !== 1 || BY_PLACE.test(code)) return { code };
  const levelThree = Boolean(event.getModifierState?.('AltGraph'));
  if ((event.ctrlKey || event.altKey || event.metaKey) && !levelThree) {
    // A shortcut is what its letter says: Ctrl+Z is undo wherever the Z lies.
    const lower = key.toLowerCase();
    return { code: /^[a-z]$/.test(lower) ? `Key${lower.toUpperCase()}` : code };
  }
  const types = US.get(code) ?? '';
  const capitals = /^[a-z]/.test(types) && Boolean(event.getModifierState?.('CapsLock'));
  const there = types[event.shiftKey === capitals ? 0 : 1];
  return there === key ? { code } : { text: key };
}
