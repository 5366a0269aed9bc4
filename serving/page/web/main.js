// The page: what is drawn or picked goes to the engines, and what they say is shown.

import { digitOf, pictureOf } from "./digit.js";
import { askBrowser, askLayers, askServer, fetched } from "./engines.js";
import { drawLayer } from "./layers.js";
import { makePad } from "./pad.js";
import { pictureOfPixels, pixelsOfFile, samplesOf } from "./pictures.js";
import { showAnswers, showBars } from "./answers.js";

const $ = (id) => document.getElementById(id);
const ENGINES = { server: askServer, browser: askBrowser };

const state = {
  models: null, // As /page/models has them; null before they are known.
  litertjs: false,
  choice: null, // A version, as /page/models has it, with its model's name.
  strokes: [],
  pixels: null, // What the network receives; null if nothing is there.
  answers: { server: null, browser: null }, // { probabilities, milliseconds } or { error }.
};

// Counts what was drawn or picked, so that a picture that comes late is not taken.
let picking = 0;

const pad = makePad($("pad"), (strokes) => {
  state.strokes = strokes;
  picking++;
  receive(pixelsOfStrokes());
}, (words) => {
  $("pen").textContent = words;
});

function pixelsOfStrokes() {
  if (!state.choice?.image_shape) return null;
  const [height, width, channels] = state.choice.image_shape;
  const make = state.choice.is_of_digits ? digitOf : pictureOf;
  const grey = make(state.strokes, height, width);
  if (!grey || channels === 1) return grey;
  return new Uint8Array(grey.length * channels).map((_, at) => grey[Math.floor(at / channels)]);
}

// New pixels, or none: shows them and asks.
function receive(pixels) {
  state.pixels = pixels;
  const shape = state.choice?.image_shape ?? [1, 1, 1];
  const blank = new Uint8Array(shape.reduce((one, other) => one * other));
  pictureOfPixels(pixels ?? blank, shape, $("input"));
  if (!pixels) state.answers = { server: null, browser: null };
  show();
  askAll();
}

function wanted() {
  const engine = document.querySelector("input[name=engine]:checked").value;
  return Object.keys(ENGINES).filter((each) => engine === "both" || engine === each);
}

// One question at a time for each engine; what was drawn meanwhile is asked next.
const asking = { server: false, browser: false, layers: false };

function setAsking(which, whether) {
  asking[which] = whether;
  $("answer").setAttribute("aria-busy", asking.server || asking.browser);
  $("layers").setAttribute("aria-busy", asking.layers);
}

function askAll() {
  for (const engine of wanted()) ask(engine);
  askInside();
}

async function ask(engine) {
  if (asking[engine] || !state.pixels) return;
  const { pixels, choice } = state;
  if (engine === "browser" && !(choice.tflite && state.litertjs)) return;
  setAsking(engine, true);
  const answer = await ENGINES[engine](choice, pixels).catch((error) => ({ error: error.message }));
  setAsking(engine, false);
  const isMeant = state.choice === choice && state.pixels;
  if (isMeant) {
    state.answers[engine] = answer;
    show();
  }
  if (answer.error) refresh(); // The version may have gone.
  const isOld = state.pixels !== pixels || state.choice !== choice;
  if (isOld && wanted().includes(engine)) ask(engine);
}

async function askInside() {
  if (asking.layers || !$("inside-details").open) return;
  const { pixels, choice } = state;
  const parent = $("layers");
  if (!pixels || !choice.activations) {
    parent.replaceChildren();
    $("inside-note").textContent = choice?.image_shape && !choice.activations
      ? "This model was exported without the signature activations: export it anew to see them."
      : "Draw something.";
    return;
  }
  setAsking("layers", true);
  const layers = await askLayers(choice, pixels).catch((error) => ({ error: error.message }));
  setAsking("layers", false);
  if (state.choice === choice && state.pixels) {
    $("inside-note").textContent = layers.error ??
      "By the server's model. Dark is the least answer of a layer, yellow the largest.";
    parent.replaceChildren();
    if (!layers.error) for (const [name, values] of layers) drawLayer(parent, name, values);
  }
  if (state.pixels !== pixels || state.choice !== choice) askInside();
}

function show() {
  const engines = wanted();
  showAnswers(state, engines, $("answer"), $("times"));
  showBars(state, engines, $("bars"));
  $("trouble").textContent = trouble(engines);
  $("trouble").hidden = !$("trouble").textContent;
}

function trouble(engines) {
  if (!state.choice) return "No model answers yet.";
  if (!state.choice.image_shape) return "This model takes no images: uint8 [N, height, width, 1 or 3].";
  const said = [];
  if (engines.includes("browser")) {
    if (!state.choice.tflite) {
      said.push("The browser has nothing to run: there is no TFLite file of this very version.");
    } else if (!state.litertjs) {
      said.push("The browser cannot run TFLite yet: run digitline litertjs once, then load this page anew.");
    }
  }
  for (const engine of engines) {
    if (state.answers[engine]?.error) said.push(`${engine}: ${state.answers[engine].error}`);
  }
  return said.join(" ");
}

// Model and version.

function choose(model, version) {
  const found = model?.versions.find((each) => each.version === version) ?? model?.versions[0];
  const before = state.choice?.image_shape;
  state.choice = found ? { name: model.name, ...found } : null;
  state.answers = { server: null, browser: null };
  $("kind").textContent = found?.kind ?? "SavedModel";
  const shape = state.choice?.image_shape;
  $("input-note").textContent = !shape ? "" : `${shape.join("×")} pixels. ` + (state.choice.is_of_digits
    ? "A drawing is scaled into a box of 20 of 28 pixels, and its centre of mass put at the centre, as MNIST was made."
    : "A drawing is taken as it is.");
  options($("version"), model?.versions.map((each) => each.version) ?? [], state.choice?.version);
  showSamples(state.choice);
  // What was drawn or picked stays, so that models can be compared.
  if (state.strokes.length) receive(pixelsOfStrokes());
  else if (state.pixels && `${shape}` === `${before}`) receive(state.pixels);
  else pad.clear();
}

// Looks what is served now; the choice stays if it is still there.
async function load() {
  const found = await (await fetched("/page/models")).json();
  if (JSON.stringify(found.models) === JSON.stringify(state.models)) return;
  const chosen = state.choice;
  Object.assign(state, found);
  const model = modelNamed(chosen?.name) ?? state.models.find((each) => each.versions.length) ??
    state.models[0];
  options($("model"), state.models.map((each) => each.name), model?.name);
  const version = model?.versions.find((each) => each.version === chosen?.version);
  if (chosen && version) options($("version"), model.versions.map((each) => each.version), chosen.version);
  else choose(model);
}

const refresh = () => load().catch(() => {}); // Who does not answer is told of when asked.

function options(select, values, chosen) {
  select.replaceChildren(...values.map((each) => new Option(each, each, false, each === chosen)));
}

async function showSamples(choice) {
  const grid = $("sample-grid");
  grid.replaceChildren();
  $("samples").hidden = true;
  if (!choice?.samples) return;
  const samples = await samplesOf(choice).catch(() => []);
  if (state.choice !== choice || !samples.length) return;
  $("samples").hidden = false;
  const { split } = choice.samples;
  $("samples-title").textContent = split === "test" ? "Test images" : `Images of ${split}`;
  grid.style.gridTemplateColumns = `repeat(${choice.samples.columns}, 1fr)`;
  samples.forEach(({ label, column, pixels }, at) => {
    const button = grid.appendChild(document.createElement("button"));
    button.type = "button";
    button.style.gridColumn = column + 1; // A row for each class.
    button.tabIndex = at ? -1 : 0; // One stop of the Tab key; arrows move inside.
    button.setAttribute("aria-label", `${choice.labels[label] ?? label}, image ${column + 1}`);
    button.append(pictureOfPixels(pixels, choice.image_shape));
    button.addEventListener("click", () => pick(pixels));
  });
}

$("sample-grid").addEventListener("keydown", (event) => {
  const buttons = [...event.currentTarget.children];
  const at = buttons.indexOf(document.activeElement);
  const inColumn = (each) => each.style.gridColumn === buttons[at].style.gridColumn;
  const next = {
    ArrowLeft: () => buttons[at - 1],
    ArrowRight: () => buttons[at + 1],
    ArrowUp: () => buttons.slice(0, at).findLast(inColumn),
    ArrowDown: () => buttons.slice(at + 1).find(inColumn),
  }[event.key]?.();
  if (!next) return;
  next.focus();
  event.preventDefault();
});

$("sample-grid").addEventListener("focusin", ({ currentTarget, target }) => {
  for (const each of currentTarget.children) each.tabIndex = each === target ? 0 : -1;
});

function pick(pixels) {
  picking++;
  state.strokes = [];
  pad.show(pictureOfPixels(pixels, state.choice.image_shape));
  receive(pixels);
}

async function take(file) {
  if (!file || !state.choice?.image_shape) return;
  const { choice } = state;
  const mine = ++picking;
  try {
    const pixels = await pixelsOfFile(choice, file);
    if (state.choice === choice && picking === mine) pick(pixels);
  } catch (error) {
    pad.clear();
    $("trouble").textContent = `${file.name}: ${error.message.replace(/^the picture: /, "")}`;
    $("trouble").hidden = false;
  }
}

$("undo").addEventListener("click", pad.undo);
$("clear").addEventListener("click", pad.clear);
$("file").addEventListener("change", ({ target }) => {
  take(target.files[0]);
  target.value = ""; // So that the same file can be taken again.
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("pad").classList.add("dropping");
});
document.addEventListener("dragleave", () => $("pad").classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("pad").classList.remove("dropping");
  take(event.dataTransfer.files[0]);
});
const modelNamed = (name) => state.models.find((each) => each.name === name);
$("model").addEventListener("change", ({ target }) => choose(modelNamed(target.value)));
$("version").addEventListener("change", ({ target }) =>
  choose(modelNamed($("model").value), target.value));
for (const id of ["model", "version"]) $(id).addEventListener("focus", refresh);
document.addEventListener("visibilitychange", refresh);
setInterval(() => state.choice || refresh(), 2000); // Models may still be loading.
$("inside-details").addEventListener("toggle", askInside);
$("engines").addEventListener("change", () => {
  show();
  askAll();
});

try {
  await load();
} catch (error) {
  $("trouble").textContent = error.message;
  $("trouble").hidden = false;
}
document.documentElement.dataset.ready = "yes";
