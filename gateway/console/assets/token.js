/**
 * The API token and the page's parameters, as they come in the fragment of the address: `#token=…&relay=1&codec=VP8`.
 * @module token
 */

const KEY = 'streamstack.token';

/**
 * Splits a fragment into the token and the rest, which may stay in the address bar.
 * @param {string} fragment with or without the leading `#`
 * @returns {{token: string, parameters: URLSearchParams, rest: string}}
 */
export function splitFragment(fragment) {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ''));
  // A token is URL-safe base64, but one with `+` must survive, and URLSearchParams reads that as a space.
  const token = (parameters.get('token') ?? '').replaceAll(' ', '+');
  parameters.delete('token');
  const rest = parameters.toString();
  return { token, parameters, rest: rest ? `#${rest}` : '' };
}

/**
 * Moves a token from the address bar into this tab's storage, so that it is neither seen, bookmarked nor shared.
 * @returns {URLSearchParams} the other parameters
 */
export function takeFragment() {
  const { token, parameters, rest } = splitFragment(location.hash);
  if (token) {
    storeToken(token);
    history.replaceState(null, '', location.pathname + location.search + rest);
  }
  return parameters;
}

/** The token of this tab, or the empty string. */
export function storedToken() {
  return sessionStorage.getItem(KEY) ?? '';
}

/** @param {string} token */
export function storeToken(token) {
  sessionStorage.setItem(KEY, token);
}

/** Forgets a token that the gateway refused. */
export function forgetToken() {
  sessionStorage.removeItem(KEY);
}
