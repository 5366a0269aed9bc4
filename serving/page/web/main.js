// The page: what is drawn or picked goes to the engines, and their answers are shown.

import { digitOf, pictureOf } from "./digit.js";
import { fetched, layerOutputs, predictInBrowser, predictOnServer } from "./engines.js";
import { drawLayer } from "./layers.js";
import { makePad } from "./pad.js";
import { pictureOfPixels, pixelsOfFile, samplesOf, seenIn } from "./pictures.js";
import { showAnswers, showBars } from "./answers.js";

const $ = (id) => document.getElementById(id);
const ENGINES = { server: predictOnServer, browser: predictInBrowser };

const state = {
  models: null, // As /page/models has them; null before they are known.
  litertjs: false,
  words: {}, // For answers that are no class, as /page/models has them.
  choice: null, // A version, as /page/models has it, with its model's name.
  strokes: [],
  pixels: null, // The input of the network; null if there is none.
  seen: null, // In the pixels, by the server.
  answers: { server: null, browser: null }, // { probabilities, milliseconds } or { error }.
};

// Counts what was drawn or picked, so that a picture that comes late is not taken.
let picking = 0;

const pad = makePad($("pad"), (strokes) => {
  state.strokes = strokes;
  picking++;
  receive(pixelsOfStrokes());
}, (words) => ($("pen").textContent = words));

function pixelsOfStrokes() {
  if (!state.choice?.image_shape) return null;
  const [height, width, channels] = state.choice.image_shape;
  const make = state.choice.is_of_digits ? digitOf : pictureOf;
  const grey = make(state.strokes, height, width);
  if (!grey || channels === 1) return grey;
  return new Uint8Array(grey.length * channels).map((_, index) => grey[Math.floor(index / channels)]);
}

// New pixels, or none: shows them and asks the engines.
function receive(pixels) {
  state.pixels = pixels;
  state.seen = null;
  const shape = state.choice?.image_shape ?? [1, 1, 1];
  const blank = new Uint8Array(shape.reduce((one, other) => one * other));
  pictureOfPixels(pixels ?? blank, shape, $("input"));
  if (!pixels) state.answers = { server: null, browser: null };
  show();
  askAll();
}

function chosenEngines() {
  const engine = document.querySelector("input[name=engine]:checked").value;
  return Object.keys(ENGINES).filter((name) => engine === "both" || engine === name);
}

// One question at a time for each engine; what was drawn meanwhile is asked next.
const asking = { server: false, browser: false, seen: false, layers: false };

function setAsking(engine, isAsking) {
  asking[engine] = isAsking;
  $("answer").setAttribute("aria-busy", asking.server || asking.browser || asking.seen);
  $("layers").setAttribute("aria-busy", asking.layers);
}

function askAll() {
  for (const engine of chosenEngines()) ask(engine);
  askSeen();
  askInside();
}

async function ask(engine) {
  if (asking[engine] || !state.pixels) return;
  const { pixels, choice } = state;
  if (engine === "browser" && !(choice.tflite && state.litertjs)) return;
  setAsking(engine, true);
  const answer = await ENGINES[engine](choice, pixels).catch((error) => ({ error: error.message }));
  setAsking(engine, false);
  if (state.choice === choice && state.pixels) {
    state.answers[engine] = answer;
    show();
  }
  if (answer.error) refresh(); // The version may have gone.
  const isOld = state.pixels !== pixels || state.choice !== choice;
  if (isOld && chosenEngines().includes(engine)) ask(engine);
}

async function askSeen() {
  if (asking.seen || !state.pixels || state.choice.trouble) return;
  const { pixels, choice } = state;
  setAsking("seen", true);
  const seen = await seenIn(choice, pixels).catch(() => null); // The engines say what is wrong.
  setAsking("seen", false);
  if (state.pixels !== pixels || state.choice !== choice) return askSeen();
  state.seen = seen;
  show();
}

async function askInside() {
  if (asking.layers || !$("inside-details").open) return;
  const { pixels, choice } = state;
  const parent = $("layers");
  if (!pixels || !choice.activations) {
    parent.replaceChildren();
    $("inside-note").textContent = choice?.image_shape && !choice.activations
      ? "This model has no signature activations: export it again to see its layers."
      : "Draw something.";
    return;
  }
  setAsking("layers", true);
  const layers = await layerOutputs(choice, pixels).catch((error) => ({ error: error.message }));
  setAsking("layers", false);
  if (state.choice === choice && state.pixels) {
    $("inside-note").textContent = layers.error ??
      "Of the server's model. Dark is the smallest value of a layer, yellow the largest.";
    parent.replaceChildren();
    if (!layers.error) for (const [name, values] of layers) drawLayer(parent, name, values);
  }
  if (state.pixels !== pixels || state.choice !== choice) askInside();
}

function show() {
  const engines = chosenEngines();
  showAnswers(state, engines, $("answer"), $("times"));
  showBars(state, engines, $("bars"));
  showTrouble(trouble(engines));
}

function showTrouble(words) {
  $("trouble").textContent = words;
  $("trouble").hidden = !words;
}

function trouble(engines) {
  if (!state.choice) return "No model is loaded yet.";
  if (!state.choice.image_shape) return "This model takes no images: uint8 [N, height, width, 1 or 3].";
  const messages = state.choice.trouble ? [state.choice.trouble] : [];
  if (engines.includes("browser") && !state.choice.tflite) {
    messages.push("The browser has nothing to run: there is no TFLite file of this version.");
  } else if (engines.includes("browser") && !state.litertjs) {
    messages.push("The browser cannot run TFLite yet: run digitline litertjs once, then reload this page.");
  }
  for (const engine of engines) {
    if (state.answers[engine]?.error) messages.push(`${engine}: ${state.answers[engine].error}`);
  }
  return messages.join(" ");
}

// Model and version.

function choose(model, version) {
  const chosen = model?.versions.find((one) => one.version === version) ?? model?.versions[0];
  const before = state.choice?.image_shape;
  state.choice = chosen ? { name: model.name, ...chosen } : null;
  state.answers = { server: null, browser: null };
  $("kind").textContent = chosen?.kind ?? "SavedModel";
  const shape = state.choice?.image_shape;
  $("input-note").textContent = !shape ? "" : `${shape.join("×")} pixels. ` + (state.choice.is_of_digits
    ? "A drawing is scaled to a box of 20 of 28 pixels and centred by its mass, as MNIST was."
    : "A drawing is taken as it is.");
  options($("version"), model?.versions.map((one) => one.version) ?? [], state.choice?.version);
  showSamples(state.choice);
  // What was drawn or picked stays, so that models can be compared.
  if (state.strokes.length) receive(pixelsOfStrokes());
  else if (state.pixels && `${shape}` === `${before}`) receive(state.pixels);
  else pad.clear();
}

// Asks for what is served now; the choice stays if it is still there.
async function load() {
  const served = await (await fetched("/page/models")).json();
  if (JSON.stringify(served.models) === JSON.stringify(state.models)) return;
  const chosen = state.choice;
  Object.assign(state, served);
  const model =
    modelNamed(chosen?.name) ?? state.models.find((one) => one.versions.length) ?? state.models[0];
  options($("model"), state.models.map((one) => one.name), model?.name);
  const version = model?.versions.find((one) => one.version === chosen?.version);
  if (chosen && version) options($("version"), model.versions.map((one) => one.version), chosen.version);
  else choose(model);
}

const refresh = () => load().catch(() => {}); // The next request says what is wrong.

function options(select, values, chosen) {
  select.replaceChildren(...values.map((value) => new Option(value, value, false, value === chosen)));
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
  samples.forEach(({ label, column, pixels }, index) => {
    const button = grid.appendChild(document.createElement("button"));
    button.type = "button";
    button.style.gridColumn = column + 1; // A row for each class.
    button.tabIndex = index ? -1 : 0; // One stop of the Tab key; arrows move inside.
    button.setAttribute("aria-label", `${choice.labels[label] ?? label}, image ${column + 1}`);
    button.append(pictureOfPixels(pixels, choice.image_shape));
    button.addEventListener("click", () => pick(pixels));
  });
}

$("sample-grid").addEventListener("keydown", (event) => {
  const buttons = [...event.currentTarget.children];
  const index = buttons.indexOf(document.activeElement);
  const inColumn = ({ style }) => style.gridColumn === buttons[index].style.gridColumn;
  const next = {
    ArrowLeft: () => buttons[index - 1],
    ArrowRight: () => buttons[index + 1],
    ArrowUp: () => buttons.slice(0, index).findLast(inColumn),
    ArrowDown: () => buttons.slice(index + 1).find(inColumn),
  }[event.key]?.();
  if (!next) return;
  next.focus();
  event.preventDefault();
});

$("sample-grid").addEventListener("focusin", ({ currentTarget, target }) => {
  for (const button of currentTarget.children) button.tabIndex = button === target ? 0 : -1;
});

function pick(pixels) {
  picking++;
  state.strokes = [];
  pad.show(pictureOfPixels(pixels, state.choice.image_shape));
  receive(pixels);
}

async function take(file) {
  if (!file) return;
  await ready; // It may be picked before it is known what is served.
  const { choice } = state;
  if (!choice?.image_shape) return; // As the page says already.
  const mine = ++picking;
  try {
    const pixels = await pixelsOfFile(choice, file);
    if (state.choice === choice && picking === mine) pick(pixels);
  } catch (error) {
    pad.clear();
    showTrouble(`${file.name}: ${error.message.replace(/^the picture: /, "")}`);
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
const modelNamed = (name) => state.models.find((one) => one.name === name);
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

const ready = load().catch((error) => showTrouble(error.message));
await ready;
document.documentElement.dataset.ready = "yes";
