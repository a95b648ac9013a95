/**
 * The two lists on the left: applications and sessions.
 * @module lists
 */

/** @typedef {import('./api.js').Session} Session */

/** A session's status in words. */
const STATUS_WORDS = new Map(Object.entries({
  created: 'starting', active: 'running', error: 'failed', terminating: 'ending', terminated: 'ended',
}));

/** What runs comes first, what failed stays in sight below. */
const ORDER = ['active', 'created', 'terminating', 'error', 'terminated'];

/** @param {Session} session */
export function isOver({ status }) {
  return status === 'error' || status === 'terminated';
}

/**
 * Sessions in the order in which they are shown: by status, newest first (ids rise with time).
 * @param {Session[]} sessions
 */
export function inOrder(sessions) {
  return [...sessions].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || (a.id < b.id ? 1 : -1));
}

/**
 * @param {HTMLElement} list
 * @param {string[]} names
 * @param {(name: string) => void} start
 */
export function showApplications(list, names, start) {
  if (unchanged(list, names)) return;
  list.replaceChildren(...names.map((name) => {
    const button = element('button', 'start', 'Start');
    button.dataset.start = name;
    button.setAttribute('aria-label', `Start ${name}`);
    button.addEventListener('click', () => start(name));
    const item = document.createElement('li');
    item.append(avatar(name), element('span', 'name', name), button);
    return item;
  }));
  if (names.length === 0) {
    list.append(element('li', 'empty', 'No application yet: an agent with applications has to be running.'));
  }
}

/**
 * @param {HTMLElement} list
 * @param {Session[]} sessions
 * @param {string} current id of the session on the stage
 * @param {(action: string, session: Session) => void} act called with show, join, watch or end
 */
export function showSessions(list, sessions, current, act) {
  // Rebuilding takes the focus away, so it is done only when something is different.
  if (unchanged(list, [sessions, current])) return;
  const focused = /** @type {HTMLElement | null} */ (list.contains(document.activeElement) ? document.activeElement : null);
  const [id, action] = [focused?.closest('li')?.dataset.session, focused?.dataset.action];
  list.replaceChildren(...inOrder(sessions).map((session) => sessionItem(session, current, act)));
  if (sessions.length === 0) list.append(element('li', 'empty', 'No sessions. Start an application above.'));
  if (!id) return;
  const again = list.querySelector(`[data-session="${CSS.escape(id)}"] [data-action="${action}"]`);
  if (again instanceof HTMLElement) again.focus();
}

/**
 * @param {Session} session
 * @param {string} current
 * @param {(action: string, session: Session) => void} act
 */
function sessionItem(session, current, act) {
  const item = document.createElement('li');
  Object.assign(item.dataset, { session: session.id, status: session.status });
  if (session.id === current) item.setAttribute('aria-current', 'true');

  /**
   * @param {string} action
   * @param {string} text
   * @param {string} label
   */
  const button = (action, text, label) => {
    const made = element('button', action, text);
    made.dataset.action = action;
    made.setAttribute('aria-label', label);
    made.addEventListener('click', () => act(action, session));
    return made;
  };
  const title = button('show', '', `Show the timeline of ${session.app}, ${session.id}`);
  title.append(element('strong', 'app', session.app), element('code', 'id', shortId(session.id)));
  title.title = session.id;
  const status = element('span', 'status', STATUS_WORDS.get(session.status) ?? session.status);
  if (session.viewers) status.textContent += `, ${session.viewers} watching`;
  const actions = element('span', 'actions', '');
  if (!isOver(session) && session.status !== 'terminating') {
    const join = button('join', 'Join', `Join ${session.app}, ${session.id}`);
    if (session.id === current) join.disabled = true;
    if (!session.joinable) {
      join.disabled = true;
      join.title = 'This session belongs to its first client and ends with it';
    }
    const watch = button('watch', 'Watch', `Watch ${session.app}, ${session.id}, without taking it over`);
    if (session.id === current || !session.joinable) watch.disabled = true;
    actions.append(join, watch, button('end', 'End', `End ${session.app}, ${session.id}`));
  }
  item.append(title, status, actions);
  if (session.status_message) item.append(element('p', 'message', session.status_message));
  return item;
}

/**
 * The end of an id: ids that rise with time begin alike.
 * @param {string} id
 */
function shortId(id) {
  return id.length > 8 ? `…${id.slice(-6)}` : id;
}

/** @param {string} name */
function avatar(name) {
  const made = element('span', 'avatar', name.slice(0, 2));
  made.setAttribute('aria-hidden', 'true');
  // The same name always has the same colour.
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  made.style.setProperty('--hue', String(hue));
  return made;
}

/**
 * Whether a list shows this already; remembers it if not.
 * @param {HTMLElement} list
 * @param {unknown} content
 */
function unchanged(list, content) {
  const key = JSON.stringify(content);
  if (shown.get(list) === key) return true;
  shown.set(list, key);
  return false;
}

/** @type {WeakMap<HTMLElement, string>} */
const shown = new WeakMap();

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {string} text
 * @returns {HTMLElementTagNameMap[K]}
 */
function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  if (made instanceof HTMLButtonElement) made.type = 'button';
  return made;
}
