/**
 * Showing JSON Schemas.
 * @module schema
 */
import { inline, make } from './dom.js';
import { nameOf, resolve } from './reference.js';

/**
 * A schema's kind in a few words: "array of Session", "integer, 0 or more".
 * @param {object} root
 * @param {object} schema
 * @returns {(Node | string)[]}
 */
export function kind(root, schema) {
  const name = nameOf(schema, 'schemas');
  if (name) return [make('a', { href: `#schema-${name}` }, name)];
  if (schema.allOf?.length) {
    const parts = schema.allOf.filter((part) => part.$ref || part.properties);
    return join(parts.map((part) => kind(root, part)), ' and ');
  }
  if (schema.oneOf ?? schema.anyOf) return join((schema.oneOf ?? schema.anyOf).map((part) => kind(root, part)), ' or ');
  if (schema.const !== undefined) return [make('code', {}, JSON.stringify(schema.const))];
  const types = [schema.type ?? []].flat();
  if (types.includes('array') && schema.items) {
    return ['array of ', ...kind(root, schema.items), ...(types.includes('null') ? [' or null'] : [])];
  }
  const limits = limitsInWords(schema);
  return [types.length ? types.join(' or ') : 'any value', limits ? `, ${limits}` : ''].filter(Boolean);
}

/**
 * @param {(Node | string)[][]} parts
 * @param {string} between
 */
function join(parts, between) {
  return parts.flatMap((part, i) => (i > 0 ? [between, ...part] : part));
}

/** @param {object} schema */
export function limitsInWords(schema) {
  const words = [];
  const { minimum, maximum } = schema;
  if (minimum !== undefined && maximum !== undefined) words.push(`${minimum} to ${maximum}`);
  else if (minimum !== undefined) words.push(`${minimum} or more`);
  else if (maximum !== undefined) words.push(`at most ${maximum}`);
  if (schema.maxLength !== undefined) words.push(`at most ${schema.maxLength} long`);
  if (schema.format) words.push(schema.format);
  if (schema.default !== undefined) words.push(`${JSON.stringify(schema.default)} if absent`);
  return words.join(', ');
}

/**
 * All fields of an object's schema, those of its parts included.
 * @param {object} root
 * @param {object} schema
 * @returns {{fields: Record<string, object>, required: Set<string>}}
 */
export function fieldsOf(root, schema) {
  const at = resolve(root, schema);
  const fields = { ...at.properties };
  const required = new Set(at.required);
  for (const part of at.allOf ?? []) {
    const below = fieldsOf(root, part);
    // A part may say more about a field that another one describes.
    for (const [name, field] of Object.entries(below.fields)) fields[name] ??= field;
    below.required.forEach((name) => required.add(name));
  }
  return { fields, required };
}

/**
 * A schema as a table of fields, or as its kind where it has none.
 * @param {object} root
 * @param {object} schema
 * @param {string} caption for those who do not see the heading above
 * @returns {HTMLElement}
 */
export function showSchema(root, schema, caption) {
  const at = resolve(root, schema);
  const { fields, required } = fieldsOf(root, at);
  const names = Object.keys(fields);
  if (names.length === 0) {
    const values = at.enum?.flatMap((value) => [' ', make('code', {}, JSON.stringify(value))]) ?? [];
    return make('p', {}, ...kind(root, at), ...(values.length ? [', one of', ...values] : []));
  }
  const rows = names.map((name) => fieldRow(root, name, fields[name], required.has(name)));
  return table(caption, ['Field', 'Kind', 'Meaning'], rows);
}

/**
 * @param {object} root
 * @param {string} name
 * @param {object} field
 * @param {boolean} required
 */
function fieldRow(root, name, field, required) {
  const at = resolve(root, field);
  const meaning = inline(field.description ?? at.description);
  if (at.enum && !nameOf(field, 'schemas')) {
    meaning.push(...(meaning.length ? ['; '] : []), 'one of', ...at.enum.flatMap((value) => [' ', make('code', {}, JSON.stringify(value))]));
  }
  return make('tr', { class: at.deprecated || field.deprecated ? 'deprecated' : undefined },
    make('th', { scope: 'row' }, make('code', {}, name), required ? make('span', { class: 'required' }, 'required') : null),
    make('td', {}, ...kind(root, field)), make('td', {}, ...meaning));
}

/**
 * @param {string} caption
 * @param {string[]} heads
 * @param {HTMLElement[]} rows
 */
export function table(caption, heads, rows) {
  return make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, make('table', {},
    make('caption', {}, caption),
    make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', { scope: 'col' }, head)))),
    make('tbody', {}, ...rows)));
}
