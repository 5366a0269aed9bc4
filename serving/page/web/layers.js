// Pictures of the outputs of layers.

import { range } from "./digit.js";

// Cividis, made to look alike to the colour-blind (Nuñez, Anderton, Renslow, PLoS ONE 13, 2018).
const CIVIDIS = [[0, 34, 78], [53, 69, 109], [102, 105, 112], [148, 142, 119], [200, 184, 102],
  [254, 232, 56]];
const MOST_MAPS = 64;
const GAP = 1;

// Draws one layer below `parent`: values [h][w][c] or [n], coloured from the smallest to the largest.
export function drawLayer(parent, name, values) {
  const block = parent.appendChild(document.createElement("div"));
  block.className = "layer";
  const isMap = Array.isArray(values[0]);
  const flat = values.flat(2);
  const [least, largest] = range(flat);
  const shape = isMap ? [values.length, values[0].length, values[0][0].length] : [values.length];
  const caption = block.appendChild(document.createElement("p"));
  const shown = isMap ? Math.min(shape[2], MOST_MAPS) : shape[0];
  caption.textContent = `${name}: ${shape.join("×")}, from ${least.toPrecision(3)} to ` +
    `${largest.toPrecision(3)}${shown < shape.at(-1) ? `; the first ${shown} channels` : ""}`;
  const share = (value) => (largest > least ? (value - least) / (largest - least) : 0);
  const canvas = block.appendChild(document.createElement("canvas"));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption.textContent);
  const room = Math.max(240, parent.clientWidth);
  if (isMap) drawMaps(canvas, values, shape, shown, share, room);
  else drawCells(canvas, values, share, room);
}

function drawMaps(canvas, values, [height, width], count, share, room) {
  const zoom = Math.max(1, Math.min(4, Math.floor(64 / width)));
  const columns = Math.max(1, Math.min(count, Math.floor(room / ((width + GAP) * zoom))));
  const rows = Math.ceil(count / columns);
  canvas.width = columns * (width + GAP);
  canvas.height = rows * (height + GAP);
  canvas.style.width = `${canvas.width * zoom}px`;
  paint(canvas, (put) => {
    for (let map = 0; map < count; map++) {
      const [left, top] = [(map % columns) * (width + GAP), Math.floor(map / columns) * (height + GAP)];
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) put(left + x, top + y, share(values[y][x][map]));
      }
    }
  });
}

function drawCells(canvas, values, share, room) {
  const zoom = values.length > 256 ? 6 : 12;
  const columns = Math.max(1, Math.min(values.length, Math.floor(room / zoom)));
  canvas.width = columns;
  canvas.height = Math.ceil(values.length / columns);
  canvas.style.width = `${columns * zoom}px`;
  paint(canvas, (put) => {
    values.forEach((value, index) => put(index % columns, Math.floor(index / columns), share(value)));
  });
}

function paint(canvas, fill) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  fill((x, y, share) => {
    const offset = (y * canvas.width + x) * 4;
    const position = share * (CIVIDIS.length - 1);
    const low = Math.min(Math.floor(position), CIVIDIS.length - 2);
    for (let colour = 0; colour < 3; colour++) {
      const [one, other] = [CIVIDIS[low][colour], CIVIDIS[low + 1][colour]];
      image.data[offset + colour] = one + (position - low) * (other - one);
    }
    image.data[offset + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}
