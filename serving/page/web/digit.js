// Strokes to the pixels of a network's input.
//
// A digit becomes as MNIST's are: light on black, in a box of 20 of 28 pixels, with its centre of
// mass at the centre of the image (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten
// digits", http://yann.lecun.com/exdb/mnist/). base/pictures/shape.py does the same with pictures.

const BOX_SHARE = 20 / 28;
// Width of the pen, of 20 pixels of the box: however large somebody draws, strokes come out as
// thick as MNIST's.
const PEN_SHARE = 2.4 / 20;
const LEAST_PEN = 0.05; // Of the pad, for a dot.
// As MNIST's digits, one is at least as wide, in shares of its height, unless it is a straight line:
// its points lie this near to one, as a standard deviation, in shares of its longer side.
const NARROW = 0.5;
const STRAIGHT = 0.035;
const PLAIN_PEN = 1 / 14; // Of the image, where nothing is centred.
// Strokes are drawn this many times larger, then averaged.
const FINE = 8;

// strokes: lists of points [x, y], each 0 to 1 on the pad; height, width: of the result.
// Returns a Uint8Array of height * width, or null if nothing is drawn.
export function digitOf(strokes, height, width) {
  if (!strokes.length) return null;
  const { left, right, top, bottom, pen } = boxOf(strokes);
  const h = bottom - top + pen;
  const isNarrow = (right - left + pen) / h < NARROW;
  // Of x: what makes it as wide.
  const stretch = isNarrow && bendOf(strokes) > STRAIGHT * (h - pen)
    ? (NARROW * h - pen) / (right - left) : 1;
  const w = (right - left) * stretch + pen;
  const scale = Math.min((height * BOX_SHARE) / h, (width * BOX_SHARE) / w);
  const [columns, rows] = [w, h].map((size) => Math.max(1, Math.round(size * scale)));
  const box = drawn(strokes, rows, columns, pen * scale, (x, y) => [
    (x - (left + right) / 2) * stretch * scale + columns / 2,
    (y - (top + bottom) / 2) * scale + rows / 2,
  ]);
  return centred(box, rows, columns, height, width);
}

// The box around the points of strokes, and the width of the pen that they are drawn with.
function boxOf(strokes) {
  const points = strokes.flat();
  const [left, right] = range(points.map(([x]) => x));
  const [top, bottom] = range(points.map(([, y]) => y));
  const extent = Math.max(right - left, bottom - top);
  const pen = Math.max((extent * PEN_SHARE) / (1 - PEN_SHARE), LEAST_PEN);
  return { left, right, top, bottom, pen };
}

// How far strokes lie from a straight line through them, as a standard deviation.
function bendOf(strokes) {
  const pieces = strokes.flatMap((stroke) => stroke.slice(1).map(([x, y], index) => {
    const [fromX, fromY] = stroke[index];
    return { x: (x + fromX) / 2, y: (y + fromY) / 2, length: Math.hypot(x - fromX, y - fromY) };
  }));
  const total = (value) => pieces.reduce((sum, piece) => sum + value(piece) * piece.length, 0);
  const length = Math.max(total(() => 1), 1e-9);
  const [x, y] = [total((piece) => piece.x) / length, total((piece) => piece.y) / length];
  const across = total((piece) => (piece.x - x) ** 2) / length;
  const down = total((piece) => (piece.y - y) ** 2) / length;
  const both = total((piece) => (piece.x - x) * (piece.y - y)) / length;
  // The smaller eigenvalue of the covariance; by rounding it may be below 0.
  const least = (across + down) / 2 - Math.hypot((across - down) / 2, both);
  return Math.sqrt(Math.max(least, 0));
}

// The same without centring: the whole pad is the image.
export function pictureOf(strokes, height, width) {
  if (!strokes.length) return null;
  const pen = Math.min(height, width) * PLAIN_PEN;
  return drawn(strokes, height, width, pen, (x, y) => [x * width, y * height]);
}

// The least and the largest of numbers.
export function range(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]);
}

function drawn(strokes, rows, columns, pen, place) {
  const canvas = new OffscreenCanvas(columns * FINE, rows * FINE);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.scale(FINE, FINE);
  inkStrokes(context, strokes, pen, place);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let y = row * FINE; y < (row + 1) * FINE; y++) {
        for (let x = column * FINE; x < (column + 1) * FINE; x++) {
          sum += data[(y * canvas.width + x) * 4 + 3]; // How much the ink covers.
        }
      }
      pixels[row * columns + column] = Math.round(sum / (FINE * FINE));
    }
  }
  return pixels;
}

// Draws strokes in white with round ends; a single point becomes a dot.
export function inkStrokes(context, strokes, pen, place) {
  context.strokeStyle = "#fff";
  context.lineWidth = pen;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...place(...stroke[0]));
    for (const point of stroke) context.lineTo(...place(...point));
    context.stroke();
  }
}

function centred(box, rows, columns, height, width) {
  let [weight, ofRows, ofColumns] = [0, 0, 0];
  box.forEach((value, index) => {
    weight += value;
    ofRows += value * Math.floor(index / columns);
    ofColumns += value * (index % columns);
  });
  const top = between(0, Math.round(height / 2 - ofRows / weight), height - rows);
  const left = between(0, Math.round(width / 2 - ofColumns / weight), width - columns);
  const pixels = new Uint8Array(height * width);
  for (let row = 0; row < rows; row++) {
    pixels.set(box.subarray(row * columns, (row + 1) * columns), (top + row) * width + left);
  }
  return pixels;
}

function between(least, value, most) {
  return Math.max(least, Math.min(value, most));
}
