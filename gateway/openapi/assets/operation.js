/**
 * Showing one operation.
 * @module operation
 */
import { inline, make, prose, sample } from './dom.js';
import { credentialsInWords, nameOf, resolve } from './reference.js';
import { kind, showSchema, table } from './schema.js';

/** @typedef {import('./reference.js').Call} Call */

/**
 * @param {object} root
 * @param {Call} call
 * @returns {HTMLElement}
 */
export function showOperation(root, call) {
  const { operation, id, method, path } = call;
  return make('article', { id, 'aria-labelledby': `${id}-title`, 'data-operation': id },
    make('h3', { id: `${id}-title` }, make('a', { href: `#${id}` }, operation.summary)),
    make('p', { class: 'address' }, badge(method), make('code', {}, ...breakable(path))),
    ...prose(operation.description),
    make('dl', { class: 'facts' },
      make('dt', {}, 'Credential'), make('dd', {}, credentialsInWords(root, call)),
      ...call.servers.flatMap((server) => [make('dt', {}, 'Served on'), make('dd', {}, server.description)])),
    ...parameters(root, call), ...requestBody(root, call), responses(root, call));
}

/** @param {string} method */
export function badge(method) {
  return make('span', { class: 'method', 'data-method': method }, method);
}

/**
 * Lets a path break at its slashes.
 * @param {string} path
 */
function breakable(path) {
  return path.split(/(?=\/)/).flatMap((step) => [make('wbr'), step]);
}

/**
 * @param {object} root
 * @param {Call} call
 */
function parameters(root, call) {
  if (call.parameters.length === 0) return [];
  const rows = call.parameters.map((p) => make('tr', {},
    make('th', { scope: 'row' }, make('code', {}, p.name), p.required ? make('span', { class: 'required' }, 'required') : null),
    make('td', {}, p.in), make('td', {}, ...kind(root, p.schema)),
    make('td', {}, ...inline(p.description), ...choices(root, p))));
  return [make('h4', {}, 'Parameters'), table(`Parameters of ${call.operation.summary}`, ['Name', 'In', 'Kind', 'Meaning'], rows)];
}

/**
 * The values that a parameter takes, and what it looks like.
 * @param {object} root
 * @param {object} parameter
 */
function choices(root, parameter) {
  const values = (parameter.schema?.enum ?? []).filter((value) => value !== '');
  const shown = values.length ? values : [parameter.example ?? resolve(root, parameter.schema).example].flat().filter((v) => v !== undefined);
  if (shown.length === 0) return [];
  return [make('br'), values.length ? 'one of' : 'such as', ...shown.flatMap((value) => [' ', make('code', {}, String(value))])];
}

/**
 * @param {object} root
 * @param {Call} call
 */
function requestBody(root, call) {
  if (!call.operation.requestBody) return [];
  const body = resolve(root, call.operation.requestBody);
  const title = body.required ? 'Body' : 'Body, which may be left out';
  return [make('h4', {}, title), ...Object.entries(body.content).flatMap(([media, content]) =>
    showContent(root, media, content, `Body of ${call.operation.summary}`))];
}

/**
 * @param {object} root
 * @param {Call} call
 */
function responses(root, call) {
  const all = Object.entries(call.operation.responses).sort(([a], [b]) => a.localeCompare(b));
  return make('section', { class: 'answers', 'aria-label': `Answers of ${call.operation.summary}` }, make('h4', {}, 'Answers'),
    ...all.map(([status, answer]) => showAnswer(root, call, status, resolve(root, answer))));
}

/**
 * @param {object} root
 * @param {Call} call
 * @param {string} status
 * @param {object} answer
 */
function showAnswer(root, call, status, answer) {
  const good = status < '400';
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) => {
    const at = resolve(root, header);
    return make('p', {}, make('code', {}, name), ' ', ...inline(at.description));
  });
  return make('details', { open: good, 'data-status': status },
    make('summary', {}, make('span', { class: good ? 'status good' : 'status bad' }, status), make('span', {}, ...inline(answer.description))),
    ...headers,
    ...Object.entries(answer.content ?? {}).flatMap(([media, content]) => showContent(root, media, content, `Answer ${status} of ${call.operation.summary}`)));
}

/**
 * What a body is in one media type, with examples.
 * @param {object} root
 * @param {string} media
 * @param {object} content
 * @param {string} caption
 */
function showContent(root, media, content, caption) {
  const examples = content.examples ? Object.entries(content.examples) : [['', { value: content.example }]];
  const name = nameOf(content.schema, 'schemas');
  return [
    make('p', { class: 'media' }, make('code', {}, media), ...(name ? [' ', make('a', { href: `#schema-${name}` }, name)] : [])),
    showSchema(root, content.schema, `${caption}, ${media}`),
    ...examples.filter(([, example]) => example.value !== undefined).flatMap(([title, example]) => [
      make('p', { class: 'example' }, 'Example', title ? `: ${example.summary ?? title}` : ''), sample(example.value)]),
  ];
}
