/**
 * The page: reads the document that the gateway serves beside it, and shows it.
 * @module docs
 */
import { make, prose } from './dom.js';
import { badge, showOperation } from './operation.js';
import { calls, matches } from './reference.js';
import { showSchema } from './schema.js';

const find = (/** @type {string} */ id) => document.getElementById(id);

// Beside this module's folder, wherever a proxy puts both.
const address = new URL('../openapi.json', import.meta.url);

/** @param {object} root the document */
function show(root) {
  document.title = `${root.info.title}: API reference`;
  find('title').textContent = root.info.title;
  find('document').setAttribute('href', address.href);
  find('intro').append(...prose(root.info.summary), ...prose(root.info.description));
  const all = calls(root);
  for (const tag of root.tags) showTag(root, tag, all.filter((call) => call.tag === tag.name));
  showSchemas(root);
  find('filter').addEventListener('input', () => filter(all));
}

/**
 * @param {object} root
 * @param {{name: string, description?: string}} tag
 * @param {import('./reference.js').Call[]} own its calls
 */
function showTag(root, tag, own) {
  const id = `tag-${tag.name}`;
  find('contents').append(make('section', { 'data-tag': tag.name, 'aria-labelledby': `${id}-nav` },
    make('h2', { id: `${id}-nav` }, make('a', { href: `#${id}` }, tag.name)),
    make('ul', {}, ...own.map((call) => make('li', { 'data-link': call.id },
      make('a', { href: `#${call.id}` }, badge(call.method), make('span', {}, call.operation.summary)))))));
  find('operations').append(make('section', { id, 'data-tag': tag.name, 'aria-labelledby': `${id}-title` },
    make('h2', { id: `${id}-title` }, tag.name), ...prose(tag.description), ...own.map((call) => showOperation(root, call))));
}

/** @param {object} root */
function showSchemas(root) {
  const section = find('schemas');
  for (const [name, schema] of Object.entries(root.components.schemas).sort(([a], [b]) => a.localeCompare(b))) {
    section.append(make('article', { id: `schema-${name}`, 'data-schema': name },
      make('h3', {}, make('a', { href: `#schema-${name}` }, name)), ...prose(schema.description), showSchema(root, schema, `Fields of ${name}`)));
  }
  section.hidden = false;
}

/**
 * Hides what nobody looks for.
 * @param {import('./reference.js').Call[]} all
 */
function filter(all) {
  const words = find('filter').value;
  const wanted = new Set(all.filter((call) => matches(call, words)).map((call) => call.id));
  for (const part of document.querySelectorAll('[data-link], [data-operation]')) {
    part.hidden = !wanted.has(part.dataset.link ?? part.dataset.operation);
  }
  for (const tag of document.querySelectorAll('[data-tag]')) {
    tag.hidden = !tag.querySelector('[data-link]:not([hidden]), [data-operation]:not([hidden])');
  }
  find('schemas').hidden = find('intro').hidden = words.trim() !== '';
  find('found').textContent = words.trim() === '' ? '' : `${wanted.size} of ${all.length} operations`;
}

/** Goes to the part that the address names, which was not there when the page was loaded. */
function goToFragment() {
  const target = location.hash && find(decodeURIComponent(location.hash.slice(1)));
  if (target) target.scrollIntoView();
}

try {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  show(await answer.json());
  goToFragment();
} catch (err) {
  find('failure').textContent = `The document could not be read: ${err.message}. Load the page again.`;
  find('failure').hidden = false;
} finally {
  find('main').removeAttribute('aria-busy');
}
