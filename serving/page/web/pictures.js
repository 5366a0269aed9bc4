// Pixels of a network's input as pictures, and pictures as pixels.

import { addressOf, fetched } from "./engines.js";

// A canvas of an input: pixels is a Uint8Array of height * width * channels.
export function pictureOfPixels(pixels, [height, width, channels], canvas) {
  canvas ??= document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(width, height);
  for (let index = 0; index < height * width; index++) {
    for (let colour = 0; colour < 3; colour++) {
      image.data[index * 4 + colour] = pixels[index * channels + (channels === 3 ? colour : 0)];
    }
    image.data[index * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// A picture file to pixels: the server makes them, as `digitline predict` does.
export async function pixelsOfFile(choice, file) {
  const response = await fetched(addressOf(choice, "picture"), { method: "POST", body: file });
  return new Uint8Array(await response.arrayBuffer());
}

// What the server sees in an input without asking the model: "class", "blank", "several_digits".
export async function seenIn(choice, pixels) {
  const canvas = pictureOfPixels(pixels, choice.image_shape);
  const file = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const response = await fetched(addressOf(choice, "picture"), { method: "POST", body: file });
  return response.headers.get("X-Digitline-Seen");
}

// The test images of a version, each { label, column, pixels }, class by class.
export async function samplesOf(choice) {
  const { columns, counts, image_shape: shape } = choice.samples;
  const [height, width, channels] = shape;
  const response = await fetched(addressOf(choice, "samples.png"));
  const sheet = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(columns * width, counts.length * height)
    .getContext("2d", { willReadFrequently: true });
  context.drawImage(sheet, 0, 0);
  const cut = (row, column) => {
    const { data } = context.getImageData(column * width, row * height, width, height);
    const pixels = new Uint8Array(height * width * channels);
    return pixels.map((_, index) => data[Math.floor(index / channels) * 4 + (index % channels)]);
  };
  return counts.flatMap((count, row) =>
    Array.from({ length: count }, (_, column) => ({ label: row, column, pixels: cut(row, column) })));
}
