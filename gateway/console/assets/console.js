/**
 * The console: applications and sessions on the left, a session on the stage, its timeline below.
 * @module console
 */

import { Api, ApiError } from './api.js';
import { QualityChart } from './chart.js';
import { Feed } from './feed.js';
import { isOver, showApplications, showSessions } from './lists.js';
import { askToken, notify, page } from './page.js';
import { Stage } from './stage.js';
import { Timeline } from './timeline.js';
import { showViewers, viewersAfter } from './viewers.js';
import { deviceProblem } from './words.js';
import { forgetToken, storedToken, storeToken, takeFragment } from './token.js';

/** How often the lists on the left and the open session are read again, in milliseconds. */
const LISTS_EVERY_MS = 2000;
const SESSION_EVERY_MS = 1000;
/** How often new samples of the streamer are read while a picture is live; it makes one in this time. */
const QUALITY_EVERY_MS = 2000;
/**
 * After so many readings in a row that say "over" or "unknown" a session is not read any more. Not after the first: the read
 * model may be a moment behind the answer to a creation, and the last events behind the status.
 */
const OVER_LIMIT = 3;
/** While its events come by themselves, the open session is read when one has come, and each so many turns in any case. */
const QUIET_TURNS = 5;

/** @typedef {import('./api.js').Session} Session */

const parameters = takeFragment();
page.relay.checked = parameters.get('relay') === '1';
page.microphone.checked = parameters.get('microphone') === '1';
page.camera.checked = parameters.get('camera') === '1';
page.codec.value = (parameters.get('codec') ?? '').toUpperCase();
if (page.codec.selectedIndex < 0) page.codec.value = '';

const stage = new Stage();
const timeline = new Timeline(page.timeline, page.timelineEnd);
const chart = new QualityChart(page.quality);
/** The sequence of the last sample that is drawn. */
let sampled = 0;
let api = new Api(storedToken());
/** @type {{id: string, app: string}} the session on the stage; no id when there is none */
let current = { id: '', app: '' };
/** Rises with each session that is put on the stage: what belongs to an earlier one is dropped. */
let turn = 0;
/** Readings in a row in which the open session was over or unknown. */
let over = 0;
/** Turns since the open session was read. */
let quiet = 0;
/** The session whose events the feed follows. */
let followed = '';
/** What was said last of the client's devices. */
let devicesSaid = '';
const feed = new Feed((events) => {
  addEvents(events);
  quiet = QUIET_TURNS;
});

/**
 * Adds events of the open session to what is shown of it.
 * @param {import('./api.js').LogEvent[]} events
 */
function addEvents(events) {
  timeline.add(events);
  showViewers(page.viewers, viewersAfter(timeline.events));
  const problem = stage.asks ? deviceProblem(timeline.events) : '';
  if (problem && problem !== devicesSaid) sayAction(problem);
  devicesSaid = problem;
}

/**
 * Puts a session on the stage, without a stream yet.
 * @param {string} id
 * @param {string} app
 */
function setCurrent(id, app) {
  if (id !== current.id) timeline.clear();
  showViewers(page.viewers, viewersAfter(timeline.events));
  chart.clear();
  sampled = 0;
  current = { id, app };
  turn += 1;
  over = 0;
  quiet = QUIET_TURNS;
  followEvents();
  page.title.textContent = app;
  page.title.title = id;
  page.timelinePanel.hidden = !id;
  page.welcomeText.textContent = id
    ? 'This is the timeline of a session that you have not joined.'
    : 'Start one from the list. It opens here within seconds.';
}

/** Lets the open session's events come, if they do not yet; without an open session, none do. */
function followEvents() {
  const { id } = current;
  if (!id || document.hidden) feed.close();
  else if (followed !== id || !feed.open) feed.follow((signal) => api.stream(id, timeline.after, signal));
  followed = id;
}

/** @param {string} app */
async function start(app) {
  stage.creating();
  setCurrent('', app);
  const mine = turn;
  await attempt(async () => {
    const ticket = await api.create(app, page.keep.checked);
    // Something else was opened meanwhile: nobody is waiting for this one.
    if (mine !== turn) await api.end(ticket.id);
    else openStream(ticket, app);
  }, (problem) => problem && stage.fail('error', `${app} could not be started`, problem));
  await readLists();
}

/**
 * @param {Session} session
 * @param {string} [role] viewer to watch only
 */
async function join({ id, app }, role) {
  stage.creating();
  setCurrent(id, app);
  const mine = turn;
  await attempt(async () => {
    const ticket = await api.join(id, role);
    if (mine === turn) openStream(ticket, app, role === 'viewer');
  }, (problem) => problem && stage.fail('error', `${app} could not be joined`, problem));
}

/**
 * @param {import('./api.js').Ticket} ticket
 * @param {string} app
 * @param {boolean} [watching] the ticket is a viewer's
 */
function openStream(ticket, app, watching = false) {
  setCurrent(ticket.id, app);
  stage.open(ticket, { relay: page.relay.checked, codec: page.codec.value, watching, devices: { microphone: page.microphone.checked, camera: page.camera.checked } });
  readSession();
}

/**
 * Shows a session's timeline without joining it; one that is over also shows its end.
 * @param {Session} session
 */
function show(session) {
  if (session.id === current.id) return;
  stage.clear();
  setCurrent(session.id, session.app);
  if (isOver(session)) showEnd(session);
  readSession();
}

/** @param {string} id */
async function end(id) {
  await attempt(() => api.end(id), sayAction);
  await readLists();
}

function leave() {
  stage.clear();
  setCurrent('', '');
}

/** @param {Session} session */
function showEnd(session) {
  if (session.status === 'error') {
    stage.fail('error', `${session.app} failed`, session.status_message || timeline.ending || 'No reason is known.');
  } else {
    stage.fail('ended', 'The session ended', session.status_message || timeline.ending);
  }
}

/**
 * Runs a call of the API and says in words what went wrong. A refused token is asked for again.
 * @param {() => Promise<void>} call
 * @param {(message: string) => void} say told the error's text, and the empty string when all went well
 */
async function attempt(call, say) {
  try {
    await call();
    say('');
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(error.message);
    if (error.status === 401) signIn(error.message);
  }
}

/** @param {string} text what is wrong with an action */
const sayAction = (text) => notify(text, 'action');
/** @param {string} text what is wrong with a reading; goes away with the next that works */
const sayReading = (text) => notify(text, 'reading');

/** @param {string} problem why a token is needed, in words */
async function signIn(problem) {
  if (page.tokenDialog.open) return;
  const had = storedToken() !== '';
  forgetToken();
  const token = await askToken(had ? problem : '');
  storeToken(token);
  api = new Api(token);
  sayReading('');
  await readLists();
}

async function readLists() {
  if (page.tokenDialog.open) return;
  await attempt(async () => {
    const [applications, sessions] = await Promise.all([api.applications(), api.sessions()]);
    showApplications(page.applications, applications, start);
    showSessions(page.sessions, sessions, current.id, (action, session) => {
      if (action === 'join') join(session);
      else if (action === 'watch') join(session, 'viewer');
      else if (action === 'end') end(session.id);
      else show(session);
    });
  }, sayReading);
}

/** Reads the open session and its events; its end is shown whatever the stream says. */
async function readSession() {
  const { id } = current;
  const mine = turn;
  if (!id || over >= OVER_LIMIT || page.tokenDialog.open) return;
  quiet += 1;
  if (feed.live && over === 0 && quiet < QUIET_TURNS) return;
  quiet = 0;
  await attempt(async () => {
    const [session, events] = await Promise.all([api.session(id).catch(gone), feed.live ? [] : api.events(id, timeline.after)]);
    if (mine !== turn) return;
    addEvents(events);
    over = !session || isOver(session) ? over + 1 : 0;
    if (over >= OVER_LIMIT) feed.close();
    if (session && over > 0) showEnd(session);
    else if (over >= OVER_LIMIT || (over > 0 && timeline.ending)) stage.fail('ended', 'The session ended', timeline.ending);
  }, sayReading);
}

/** Reads what the streamer has sampled since; the charts do without where it cannot be read. */
async function readQuality() {
  const { id } = current;
  const mine = turn;
  if (!id || stage.state !== 'live') return;
  const samples = await api.quality(id, sampled).catch(() => []);
  if (mine !== turn || samples.length === 0) return;
  sampled = samples[samples.length - 1].sequence;
  chart.sampled(samples);
}

/**
 * A session that is gone is no error: ended sessions leave the API.
 * @param {unknown} error
 * @returns {null}
 */
function gone(error) {
  if (error instanceof ApiError && error.status === 404) return null;
  throw error;
}

/**
 * Repeats a reading; the next begins when the last is done.
 * @param {() => Promise<void>} read
 * @param {number} every in milliseconds
 */
async function repeat(read, every) {
  if (!document.hidden) await read();
  setTimeout(() => repeat(read, every), every);
}

stage.addEventListener('over', (event) => {
  const { state, message } = /** @type {CustomEvent} */ (event).detail;
  // The stream knows only that it ended; the session and its events, read next, know why.
  stage.fail(state, state === 'error' ? 'The stream broke off' : 'Disconnected', timeline.ending || message);
  quiet = QUIET_TURNS;
  readSession();
});
stage.addEventListener('problem', (event) => sayAction(/** @type {CustomEvent} */ (event).detail));
stage.addEventListener('measured', (event) => chart.measured(/** @type {CustomEvent} */ (event).detail));
stage.addEventListener('state', () => {
  if (['idle', 'ended', 'error'].includes(stage.state)) chart.clear();
});
// A browser has six connections for each gateway: pages that nobody looks at keep none.
document.addEventListener('visibilitychange', followEvents);
page.leave.addEventListener('click', leave);
page.dismiss.addEventListener('click', leave);
page.end.addEventListener('click', () => current.id && end(current.id));
page.again.addEventListener('click', () => current.app && start(current.app));
page.noticeClose.addEventListener('click', () => sayAction(''));
page.forget.addEventListener('click', () => {
  leave();
  forgetToken();
  signIn('');
});
// Another address, with another token or other parameters, was put into the address bar.
window.addEventListener('hashchange', () => {
  takeFragment();
  location.reload();
});

/** For tests; see the package comment in doc.go. Nothing secret is here. */
Object.assign(window, {
  streamstack: {
    get session() { return current.id; },
    get state() { return stage.state; },
    get pc() { return stage.stream?.pc ?? null; },
    get files() { return stage.stream?.files ?? null; },
    get control() { return stage.stream?.control ?? null; },
    get capabilities() { return [...(stage.stream?.capabilities ?? [])]; },
    video: page.video,
    audio: page.audio,
    stats: () => stage.stats(),
  },
});

if (storedToken()) repeat(readLists, LISTS_EVERY_MS);
else signIn('').then(() => repeat(readLists, LISTS_EVERY_MS));
repeat(readSession, SESSION_EVERY_MS);
repeat(readQuality, QUALITY_EVERY_MS);
