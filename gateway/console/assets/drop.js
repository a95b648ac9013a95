/**
 * What the user sees of files: the stage takes dropped ones, a button shows those that the session offers, lines show how far each is.
 * @module drop
 */

/** @typedef {import('./files.js').Files} Files */
/** @typedef {import('./files.js').Transfer} Transfer */

/** How long a finished transfer stays in sight, in milliseconds. */
const DONE_FOR_MS = 6000;

/** The panel below the stage; it is there while a session takes files. */
export class Drop {
  #stage;
  #panel = document.createElement('section');
  #list = document.createElement('ul');
  #transfers = document.createElement('ul');
  /** @type {Files | null} */
  #files = null;
  /** @type {Map<string, HTMLLIElement>} */
  #lines = new Map();

  /** @param {HTMLElement} stage where files are dropped */
  constructor(stage) {
    this.#stage = stage;
    this.#panel.id = 'files';
    this.#panel.hidden = true;
    this.#panel.setAttribute('aria-label', 'Files');
    const hint = document.createElement('p');
    hint.textContent = 'Drop files on the picture to send them into the session. ';
    const refresh = document.createElement('button');
    refresh.type = 'button';
    refresh.dataset.action = 'list';
    refresh.textContent = 'Files from the session';
    refresh.addEventListener('click', () => this.#showList());
    hint.append(refresh);
    this.#transfers.setAttribute('aria-live', 'polite');
    this.#panel.append(hint, this.#list, this.#transfers);
    stage.after(this.#panel);
    stage.addEventListener('dragover', (event) => this.#over(event));
    stage.addEventListener('dragleave', () => { delete stage.dataset.drop; });
    stage.addEventListener('drop', (event) => this.#dropped(event));
  }

  /**
   * Serves a stream's files; null when there is none.
   * @param {Files | null} files
   */
  serve(files) {
    this.#files = files;
    this.#list.replaceChildren();
    this.#transfers.replaceChildren();
    this.#lines.clear();
    this.#show();
    const mine = (/** @type {() => void} */ act) => () => { if (files === this.#files) act(); };
    files?.addEventListener('open', mine(() => this.#show()));
    files?.addEventListener('closed', mine(() => this.#show()));
    files?.addEventListener('transfer', (event) => {
      if (files === this.#files) this.#line(/** @type {CustomEvent} */ (event).detail);
    });
  }

  #show() {
    this.#panel.hidden = !this.#files?.open;
  }

  /** @param {DragEvent} event */
  #over(event) {
    if (!this.#files?.open || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault(); // which lets it be dropped
    event.dataTransfer.dropEffect = 'copy';
    this.#stage.dataset.drop = 'true';
  }

  /** @param {DragEvent} event */
  #dropped(event) {
    delete this.#stage.dataset.drop;
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault(); // the browser would leave the page to show the file
    for (const file of event.dataTransfer.files) this.#files?.put(file).catch(() => {}); // its line says why
  }

  async #showList() {
    const files = this.#files;
    const found = await files?.list().catch(() => []) ?? [];
    if (files !== this.#files) return;
    this.#list.replaceChildren(...found.map(({ name, size }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.dataset.file = name;
      button.textContent = `${name} (${sizeInWords(size)})`;
      button.addEventListener('click', () => this.#fetch(name));
      const item = document.createElement('li');
      item.append(button);
      return item;
    }));
    if (found.length === 0) {
      const item = document.createElement('li');
      item.textContent = 'The session offers no files.';
      this.#list.append(item);
    }
  }

  /** @param {string} name */
  async #fetch(name) {
    const blob = await this.#files?.get(name).catch(() => null); // its line says why not
    if (!blob) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), DONE_FOR_MS);
  }

  /** @param {Transfer} transfer */
  #line({ direction, id, name, size, bytes, state, message }) {
    const key = `${direction} ${id}`;
    let line = this.#lines.get(key);
    if (!line) {
      line = document.createElement('li');
      line.append(document.createElement('span'), document.createElement('progress'));
      this.#lines.set(key, line);
      this.#transfers.append(line);
    }
    line.dataset.state = state;
    const [text, bar] = line.children;
    const way = direction === 'in' ? 'to the session' : 'from the session';
    text.textContent = state === 'error' ? `${name}: ${message}` : `${name} ${way}${state === 'done' ? ': done' : ''}`;
    if (bar instanceof HTMLProgressElement) {
      bar.hidden = state !== 'going';
      bar.max = Math.max(size, 1);
      bar.value = bytes;
    }
    if (state !== 'going') setTimeout(() => line.remove(), DONE_FOR_MS * (state === 'error' ? 3 : 1));
  }
}

/** @param {number} bytes */
function sizeInWords(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}
