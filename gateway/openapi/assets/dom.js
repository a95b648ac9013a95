/**
 * Making elements. Texts of the document only ever become text nodes: nothing in it is taken for HTML.
 * @module dom
 */

/**
 * @param {string} tag
 * @param {Record<string, string | boolean | undefined>} attributes left out where undefined or false
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * The little Markdown that the document uses: paragraphs, `code` and **strong**.
 * @param {string} [text]
 * @returns {HTMLElement[]}
 */
export function prose(text = '') {
  return text.trim().split(/\n{2,}/).filter(Boolean).map((part) => make('p', {}, ...inline(part)));
}

/**
 * @param {string} [text]
 * @returns {(Node | string)[]}
 */
export function inline(text = '') {
  return text.trim().split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map((part) => {
    if (part.startsWith('`')) return make('code', {}, part.slice(1, -1));
    if (part.startsWith('**')) return make('strong', {}, part.slice(2, -2));
    return part.replace(/\s*\n\s*/g, ' ');
  });
}

/**
 * A JSON value as people read it.
 * @param {unknown} value
 * @returns {HTMLElement}
 */
export function sample(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return make('pre', { tabindex: '0' }, make('code', {}, text));
}
