"""LiteRT.js, in Chromium: the files that `digitline litertjs` fetches, on one thread."""

from __future__ import annotations

import functools
import importlib
import mimetypes
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from .interpreter import Outputs, Run

_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium asks nobody for it: each request is answered here.
_SITE = "http://localhost"
_PAGE = """<script type="importmap">{"imports": {
  "@litertjs/core": "/core/dist/index.js", "@litertjs/wasm-utils": "/wasm-utils/dist/index.js"
}}</script>"""
_LOAD = """async () => {
  Object.defineProperty(navigator, "gpu", { value: undefined });
  const litert = await import("@litertjs/core");
  await litert.loadLiteRt("/core/wasm/");
  const model = await litert.loadAndCompile("/model.tflite", { accelerator: "wasm" });
  self.classify = async (array, values, shape) => {
    const [detail] = model.getInputDetails();
    const input = new litert.Tensor(self[array].from(values), shape);
    const outputs = await model.run({ [detail.name]: input });
    const answer = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      answer[name] = Array.from(await tensor.data());
      tensor.delete();
    }
    input.delete();
    return answer;
  };
}"""
_ARRAYS = {"uint8": "Uint8Array", "int8": "Int8Array", "float32": "Float32Array"}


def is_there() -> bool:
    """Whether there are Chromium and LiteRT.js."""
    return _folder() is not None and _chromium() is not None


def version() -> str:
    """Of what was fetched."""
    folder = _folder()
    return folder.name.partition("-")[2] if folder else ""


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature."""
    folder, page = _folder(), _browser().new_page()

    def answer(route: Any, request: Any) -> None:
        name = request.url[len(_SITE) + 1 :]
        if not name:
            route.fulfill(body=_PAGE, content_type="text/html")
            return
        file = path if name == "model.tflite" else f"{folder}/{name}"
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        route.fulfill(path=file, content_type=kind)

    page.route(f"{_SITE}/**", answer)
    page.goto(f"{_SITE}/")
    page.evaluate(_LOAD)

    def run(values: np.ndarray) -> Outputs:
        asked = [_ARRAYS[values.dtype.name], values.reshape(-1).tolist(), list(values.shape)]
        outputs = page.evaluate("(asked) => self.classify(...asked)", asked)
        arrays = {name: np.array(output) for name, output in outputs.items()}
        probabilities = arrays["probabilities"].reshape(len(values), -1)
        return {**arrays, "probabilities": probabilities}

    return run


@functools.cache
def _browser() -> Any:
    """One for all files; it ends with this process."""
    playwright = importlib.import_module("playwright.sync_api").sync_playwright().start()
    return playwright.chromium.launch(executable_path=_chromium())


def _folder() -> Path | None:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    fetched = sorted(Path(cache, "digitline").glob("litertjs-*"))
    return fetched[-1] if fetched else None


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, _CHROMIUMS)), None)
