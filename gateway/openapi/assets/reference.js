/**
 * Looking things up in an OpenAPI 3.1 document.
 * @module reference
 */

const methods = ['get', 'post', 'put', 'patch', 'delete'];

/**
 * Follows a reference within the document, as often as there is one.
 * @param {object} root
 * @param {object} node
 * @returns {object}
 */
export function resolve(root, node) {
  for (let steps = 0; node?.$ref && steps < 20; steps++) {
    const path = node.$ref.slice(2).split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    node = path.reduce((at, step) => at?.[step], root);
  }
  return node ?? {};
}

/**
 * The name of the component that a reference leads to, or nothing.
 * @param {object} node
 * @param {string} kind such as schemas
 * @returns {string | undefined}
 */
export function nameOf(node, kind) {
  const prefix = `#/components/${kind}/`;
  return node?.$ref?.startsWith(prefix) ? node.$ref.slice(prefix.length) : undefined;
}

/**
 * @typedef {{id: string, method: string, path: string, tag: string, operation: object, parameters: object[], servers: object[]}} Call
 * @param {object} root
 * @returns {Call[]} in the order of the document
 */
export function calls(root) {
  return Object.entries(root.paths).flatMap(([path, item]) => methods.filter((method) => item[method]).map((method) => {
    const operation = item[method];
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((p) => resolve(root, p));
    return {
      id: operation.operationId, method: method.toUpperCase(), path, tag: operation.tags?.[0] ?? '', operation, parameters,
      servers: operation.servers ?? item.servers ?? [],
    };
  }));
}

/**
 * Whether a call is one that somebody looks for: every word is somewhere in it.
 * @param {Call} call
 * @param {string} words
 */
export function matches(call, words) {
  const text = `${call.method} ${call.path} ${call.id} ${call.tag} ${call.operation.summary}`.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/**
 * What a caller must bring, in words.
 * @param {object} root
 * @param {Call} call
 * @returns {string}
 */
export function credentialsInWords(root, call) {
  if (call.tag === 'admin') return 'none: whoever may open the socket is trusted';
  const wanted = call.operation.security ?? root.security ?? [];
  if (wanted.length === 0) return 'none';
  const names = wanted.flatMap((one) => Object.keys(one)).map((name) => {
    const scheme = root.components.securitySchemes[name];
    return scheme.in === 'header' ? `the header ${scheme.name}` : `the query's ${scheme.name}`;
  });
  return names.join(' or ') + (wanted.some((one) => Object.keys(one).length === 0) ? ', or none' : '');
}
