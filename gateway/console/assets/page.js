/**
 * The page's elements by their ids, checked once: a missing one is a mistake of the page and fails at its load.
 * @module page
 */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function find(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

export const page = {
  applications: find('applications', HTMLElement),
  sessions: find('sessions', HTMLElement),
  status: find('status', HTMLElement),
  title: find('stage-title', HTMLElement),
  notice: find('notice', HTMLElement),
  noticeText: find('notice-text', HTMLElement),
  noticeClose: find('notice-close', HTMLButtonElement),
  stage: find('stage', HTMLElement),
  video: find('video', HTMLVideoElement),
  audio: find('audio', HTMLAudioElement),
  welcome: find('welcome', HTMLElement),
  welcomeText: find('welcome-text', HTMLElement),
  progress: find('progress', HTMLElement),
  progressText: find('progress-text', HTMLElement),
  failure: find('failure', HTMLElement),
  failureTitle: find('failure-title', HTMLElement),
  failureMessage: find('failure-message', HTMLElement),
  again: find('again', HTMLButtonElement),
  dismiss: find('dismiss', HTMLButtonElement),
  sound: find('sound', HTMLButtonElement),
  fullscreen: find('fullscreen', HTMLButtonElement),
  text: find('text', HTMLTextAreaElement),
  textButton: find('text-input', HTMLButtonElement),
  lock: find('lock', HTMLButtonElement),
  clipboard: find('clipboard', HTMLInputElement),
  handheld: find('handheld', HTMLDetailsElement),
  handheldNote: find('handheld-note', HTMLElement),
  rotate: find('rotate', HTMLButtonElement),
  placeForm: find('place', HTMLFormElement),
  placeHere: find('place-here', HTMLButtonElement),
  latitude: find('latitude', HTMLInputElement),
  longitude: find('longitude', HTMLInputElement),
  viewers: find('viewers', HTMLDetailsElement),
  leave: find('leave', HTMLButtonElement),
  end: find('end', HTMLButtonElement),
  quality: find('quality', HTMLElement),
  timelinePanel: find('timeline-panel', HTMLElement),
  timeline: find('timeline', HTMLElement),
  timelineEnd: find('timeline-end', HTMLElement),
  settings: find('settings', HTMLDetailsElement),
  tokenDialog: find('token-dialog', HTMLDialogElement),
  tokenForm: find('token-form', HTMLFormElement),
  token: find('token', HTMLInputElement),
  tokenError: find('token-error', HTMLElement),
  forget: find('forget', HTMLButtonElement),
  keep: find('keep', HTMLInputElement),
  relay: find('relay', HTMLInputElement),
  microphone: find('microphone', HTMLInputElement),
  camera: find('camera', HTMLInputElement),
  codec: find('codec', HTMLSelectElement),
};

// A menu closes when something else is used.
const menus = [page.settings, page.handheld, page.viewers];
document.addEventListener('pointerdown', ({ target }) => {
  for (const menu of menus) if (target instanceof Node && !menu.contains(target)) menu.open = false;
});
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') for (const menu of menus) menu.open = false;
});

/**
 * Asks for a token; resolves when one was entered.
 * @param {string} problem what is wrong with the one before, in words
 * @returns {Promise<string>}
 */
export function askToken(problem) {
  page.tokenError.textContent = problem;
  page.tokenError.hidden = !problem;
  page.token.value = '';
  if (!page.tokenDialog.open) page.tokenDialog.showModal();
  page.token.focus();
  return new Promise((resolve) => {
    page.tokenDialog.oncancel = (event) => event.preventDefault(); // nothing works without a token
    page.tokenForm.onsubmit = (event) => {
      event.preventDefault();
      const token = page.token.value.trim();
      if (!token) return;
      page.tokenDialog.close();
      resolve(token);
    };
  });
}

/** @type {string} who said what the notice says */
let source = '';

/**
 * Says an error above the page. An empty text takes away only what the same source, or the user's own action, put there: a
 * reading that works must not hide what an action had to say.
 * @param {string} text in words
 * @param {'action' | 'reading'} by
 */
export function notify(text, by) {
  if (!text && by === 'reading' && source !== by) return;
  source = by;
  page.noticeText.textContent = text;
  page.notice.hidden = !text;
}
