/**
 * From the pointer on the page to pixels of the received picture. Pure functions.
 * @module geometry
 */

/**
 * @typedef {{left: number, top: number, width: number, height: number}} Box in CSS pixels
 * @typedef {{width: number, height: number}} Size in pixels of the video
 * @typedef {{x: number, y: number}} Point
 */

/**
 * Where `object-fit: contain` puts the picture inside its element: centred, as large as fits, with bars on two sides.
 * @param {Box} element
 * @param {Size} picture
 * @returns {Box}
 */
export function pictureBox(element, picture) {
  if (picture.width <= 0 || picture.height <= 0) return { ...element, width: 0, height: 0 };
  const scale = Math.min(element.width / picture.width, element.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return {
    left: element.left + (element.width - width) / 2,
    top: element.top + (element.height - height) / 2,
    width,
    height,
  };
}

/**
 * A point of the page in pixels of the picture, with fractions, and whether it lies on the picture at all. Outside it is
 * moved to the nearest edge: 0 to width and 0 to height inclusive, as the control channel's contract has it.
 * @param {Point} point in CSS pixels, like the element's box
 * @param {Box} element
 * @param {Size} picture
 * @returns {Point & {inside: boolean}}
 */
export function toPicture(point, element, picture) {
  const box = pictureBox(element, picture);
  if (box.width <= 0 || box.height <= 0) return { x: 0, y: 0, inside: false };
  const x = ((point.x - box.left) / box.width) * picture.width;
  const y = ((point.y - box.top) / box.height) * picture.height;
  const clamped = { x: clamp(x, picture.width), y: clamp(y, picture.height) };
  return { ...clamped, inside: clamped.x === x && clamped.y === y };
}

/**
 * How far an element is turned, in quarters clockwise, as its data-turn says.
 * @param {HTMLElement} element
 * @returns {number} 0 to 3
 */
export function turnOf(element) {
  return Number(element.dataset.turn ?? 0);
}

/**
 * {@link toPicture} of an element that is turned by quarters about its middle; the picture's own pixels stay as they were.
 * @param {Point} point
 * @param {Box} element as it is seen
 * @param {Size} picture
 * @param {number} turn 0 to 3
 * @returns {Point & {inside: boolean}}
 */
export function toTurnedPicture(point, element, picture, turn) {
  const { width, height } = picture;
  const seen = toPicture(point, element, turn % 2 ? { width: height, height: width } : picture);
  switch (turn) {
    case 1: return { x: seen.y, y: height - seen.x, inside: seen.inside };
    case 2: return { x: width - seen.x, y: height - seen.y, inside: seen.inside };
    case 3: return { x: width - seen.y, y: seen.x, inside: seen.inside };
    default: return seen;
  }
}

/**
 * A movement on the page as one of a picture that is turned.
 * @param {Point} by
 * @param {number} turn 0 to 3
 * @returns {Point}
 */
export function turnBack({ x, y }, turn) {
  return [{ x, y }, { x: y, y: -x }, { x: -x, y: -y }, { x: -y, y: x }][turn] ?? { x, y };
}

/**
 * Movement in whole pixels. What is cut off is carried to the next step, so that many small steps add up.
 * @param {Point} from last position
 * @param {Point} to this position
 * @param {Point} carry what was cut off so far
 * @returns {{rx: number, ry: number, carry: Point}}
 */
export function movement(from, to, carry) {
  const dx = to.x - from.x + carry.x;
  const dy = to.y - from.y + carry.y;
  // `+ 0` turns -0, which JSON prints as 0 but comparisons see, into 0.
  const rx = Math.round(dx) + 0;
  const ry = Math.round(dy) + 0;
  return { rx, ry, carry: { x: dx - rx, y: dy - ry } };
}

/**
 * @param {number} value
 * @param {number} limit
 */
function clamp(value, limit) {
  return Math.min(Math.max(value, 0), limit);
}
