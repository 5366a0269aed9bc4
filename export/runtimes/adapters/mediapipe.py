"""MediaPipe's Image Classifier."""

from __future__ import annotations

import importlib

import numpy as np

from .interpreter import Outputs, Run


def version() -> str:
    """Of the package."""
    return importlib.import_module("mediapipe").__version__


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature, by a picture in colour."""
    mediapipe = importlib.import_module("mediapipe")
    vision = importlib.import_module("mediapipe.tasks.python.vision")
    classifier = vision.ImageClassifier.create_from_model_path(path)

    def run(values: np.ndarray) -> Outputs:
        rows = []
        for image in values.astype(np.uint8):
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image.copy())
            (head,) = classifier.classify(picture).classifications
            scores = {each.index: each.score for each in head.categories}
            rows.append([scores[index] for index in range(len(scores))])
        return {"probabilities": np.array(rows, np.float32)}

    return run
