// The drawing pad: strokes by mouse, finger, pen or keys.

import { inkStrokes } from "./digit.js";

const PEN = 0.07; // Of the pad's side.
const NEAR = 0.002; // A point this near to the one before it is left out.
const [STEP, FAR] = [0.02, 0.08]; // How far an arrow key moves the pen, without and with Shift.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// onChange: called with the strokes, lists of points [x, y] of 0 to 1, whenever they change.
// onSay: called with words for people who cannot see the pen that the keys move.
export function makePad(canvas, onChange, onSay) {
  const context = canvas.getContext("2d");
  let strokes = [];
  let shown = null; // A picture instead of strokes.
  let pen = [0.5, 0.5]; // Of the keys.
  let penIsDown = false;
  let pointer = null; // The one that draws.

  function paint() {
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    if (shown) {
      context.imageSmoothingEnabled = false;
      context.drawImage(shown, 0, 0, width, height);
    }
    inkStrokes(context, strokes, PEN * width, (x, y) => [x * width, y * height]);
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
      context.beginPath();
      context.arc(pen[0] * width, pen[1] * height, (PEN * width) / 2, 0, 2 * Math.PI);
      context.fillStyle = context.strokeStyle = "#e69f00";
      context.lineWidth = 4;
      if (penIsDown) context.fill();
      else context.stroke();
    }
  }

  function update() {
    paint();
    onChange(strokes);
  }

  function begin(point) {
    shown = null;
    strokes.push([point]);
  }

  function pointOf(event) {
    const box = canvas.getBoundingClientRect();
    const point = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return point.map((value) => Math.max(0, Math.min(1, value))); // What lies outside is at the edge.
  }

  function extend(stroke, point) {
    const [x, y] = stroke.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) >= NEAR) stroke.push(point);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    penIsDown = false;
    begin(pointOf(event));
    update();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer || !strokes.length) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const move of events.length ? events : [event]) extend(strokes.at(-1), pointOf(move));
    update();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const step = event.shiftKey ? FAR : STEP;
      pen = pen.map((value, axis) => Math.max(0, Math.min(1, value + step * ARROWS[event.key][axis])));
      if (penIsDown) {
        strokes.at(-1).push(pen);
        update();
      } else {
        paint();
      }
    } else if (event.key === " ") {
      if (!event.repeat) setPen(!penIsDown);
    } else if (event.key === "Backspace") {
      undo();
    } else if (event.key === "Delete") {
      clear();
    } else {
      return;
    }
    event.preventDefault();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, paint);

  function setPen(down) {
    penIsDown = down;
    onSay(down ? "pen down" : "pen up");
    if (!down) return paint();
    begin(pen);
    update();
  }

  // Ends what is being drawn, and shows a picture or none.
  function lift(picture) {
    penIsDown = false;
    pointer = null;
    shown = picture;
  }

  function undo() {
    lift(null);
    strokes.pop();
    update();
  }

  function clear() {
    lift(null);
    strokes = [];
    update();
  }

  // Shows a picture, anything that a canvas draws, in place of strokes.
  function show(picture) {
    lift(picture);
    strokes = [];
    paint();
  }

  paint();
  return { undo, clear, show };
}
