// Where the model runs: on the server, asked over TF Serving's REST interface, and inside this
// browser, the same network as a TFLite file, by LiteRT.js.

// Both take pixels, a Uint8Array of height * width * channels, and return
// { probabilities, milliseconds }; they throw an Error that says what is wrong.

export async function predictOnServer(choice, pixels) {
  const start = performance.now();
  const answer = await predict(choice, pixels);
  const milliseconds = performance.now() - start;
  const probabilities = answer.probabilities ?? answer.scores ?? answer;
  if (!Array.isArray(probabilities)) throw new Error("the model gives no probabilities");
  return { probabilities, milliseconds };
}

// The output of each layer: [[name, nested numbers], …] in their order.
export async function layerOutputs(choice, pixels) {
  const answer = await predict(choice, pixels, "activations");
  if (Array.isArray(answer)) return [["layer", answer]]; // REST leaves out the name of an only output.
  return Object.entries(answer)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, values]) => [name.replace(/^\d+_/, ""), values]);
}

async function predict(choice, pixels, signature_name = "serving_default") {
  const address = `/v1/models/${encodeURIComponent(choice.name)}/versions/${choice.version}:predict`;
  const body = JSON.stringify({ signature_name, instances: [nested(pixels, choice.image_shape)] });
  const text = await (await fetched(address, { method: "POST", body })).text();
  try {
    return JSON.parse(text).predictions[0];
  } catch {
    throw new Error("the model's answer holds values that are not numbers (NaN or infinite)");
  }
}

// The address of a file of a version.
export function addressOf(choice, file) {
  return `/page/models/${encodeURIComponent(choice.name)}/versions/${choice.version}/${file}`;
}

// The response to a request; an error is thrown.
export async function fetched(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("the server does not answer");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error ?? `the server answers ${response.status}`);
}

function nested(pixels, [height, width, channels]) {
  let index = 0;
  const list = (size, make) => Array.from({ length: size }, make);
  return list(height, () => list(width, () => list(channels, () => pixels[index++])));
}

// LiteRT.js, on the processor, and without its log in the console: it asks for a GPU in any
// case, and warns where there is none.
async function loadLiteRt() {
  const warn = console.warn;
  Object.defineProperty(navigator, "gpu", { value: undefined, configurable: true });
  console.warn = (...message) => {
    if (!`${message[0]}`.startsWith("Failed to create default WebGPU device")) warn(...message);
  };
  self.Module = {
    printErr: (line) => {
      if (!/^(VERBOSE|INFO|WARNING): /.test(line)) console.error(line);
    },
  };
  try {
    // A browser may remember that a file could not be loaded; under another name it tries again.
    const name = tries++ ? `/page/litertjs/core/dist/index.js?${tries}` : "@litertjs/core";
    const module = await import(name);
    await module.loadLiteRt("/page/litertjs/core/wasm/");
    return module;
  } finally {
    console.warn = warn;
    delete navigator.gpu; // The browser's own is there again.
  }
}

let litert = null;
let tries = 0;
let compiled = { address: null, promise: null };

export async function predictInBrowser(choice, pixels) {
  litert ??= loadLiteRt().catch((error) => {
    litert = null;
    throw error;
  });
  const { loadAndCompile, Tensor } = await litert;
  const shape = [1, ...choice.image_shape];

  async function run(model) {
    const images = new Tensor(pixels, shape);
    let outputs = {};
    try {
      outputs = await model.run("serving_default", { images });
      return Array.from(await outputs.probabilities.data());
    } finally {
      // They lie in WebAssembly's memory, which has no garbage collector.
      for (const tensor of [images, ...Object.values(outputs)]) tensor.delete();
    }
  }

  const address = addressOf(choice, "model.tflite");
  if (compiled.address !== address) {
    const before = compiled.promise;
    const promise = loadAndCompile(address, { accelerator: "wasm" }).then(async (model) => {
      await run(model); // The first run prepares; it is not what is timed.
      return model;
    });
    compiled = { address, promise };
    before?.then((model) => model.delete()).catch(() => {});
    promise.catch(() => {
      if (compiled.promise === promise) compiled = { address: null, promise: null };
    });
  }
  const model = await compiled.promise;
  const start = performance.now();
  const probabilities = await run(model);
  return { probabilities, milliseconds: performance.now() - start };
}
