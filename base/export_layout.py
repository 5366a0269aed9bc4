"""The names inside an export folder, and where an export is published.

    <export_dir>/saved_model/<name>/<version>/   a TF Serving base path as it stands
    <export_dir>/tflite/<name>/<version>/
    <export_dir>/onnx/<name>/<version>/

Whoever writes or reads an export takes the names from here.
"""

from pathlib import Path

SAVED_MODEL, TFLITE, ONNX = "saved_model", "tflite", "onnx"
FORMATS = (SAVED_MODEL, TFLITE, ONNX)

# The signature that every artifact has, under TensorFlow's name for the one to call by default.
DEFAULT_SIGNATURE = "serving_default"

# In a SavedModel's folder.
SAVED_MODEL_FILE = "saved_model.pb"
FINGERPRINT_FILE = "fingerprint.pb"
VARIABLES = "variables"
ASSETS = "assets"
# TF Serving leaves what is in it alone, but for the warm-up requests.
EXTRA = "assets.extra"
WARMUP_FILE = "tf_serving_warmup_requests"
SAVED_MODEL_MANIFEST = "digitline.json"
# Images for people to try the model with: one sheet, and which image is where on it.
SAMPLES_SHEET, SAMPLES_FACTS = "samples.png", "samples.json"

# In a folder of TFLite or ONNX files.
TFLITE_FILE = "model.tflite"
C_HEADER_FILE = "model_int8.h"
ONNX_FILE = "model.onnx"
MANIFEST = "manifest.json"

# In an object store, beside a version whose manifest is not there yet.
UNFINISHED = ".digitline-unfinished"

# The models in a version's folder, by format; and what people call them.
MODEL_FILES = {SAVED_MODEL: f"{SAVED_MODEL_FILE}*", TFLITE: "*.tflite", ONNX: "*.onnx"}
TITLES = {SAVED_MODEL: "a SavedModel", TFLITE: "TFLite files", ONNX: "an ONNX file"}

# In either.
LABELS = "labels.txt"
# How a picture file becomes the model's input: `pictures.config.PictureConfig`.
PICTURES = "pictures.json"
# Inside a TFLite file, for when it is copied alone: below which probability it is not sure.
CERTAINTY = "certainty.json"
CARD = "MODEL_CARD.md"

# What is written when a version is verified, and says so.
DESCRIPTIONS = (f"{EXTRA}/{SAVED_MODEL_MANIFEST}", MANIFEST, CARD)


def version_folder(export_dir: Path, export_format: str, name: str, version: int) -> Path:
    """Where a version is published."""
    return export_dir / export_format / name / str(version)


def manifest_of(folder: Path) -> Path:
    """The manifest of a published version, whatever its format."""
    saved_model = folder / EXTRA / SAVED_MODEL_MANIFEST
    return saved_model if (folder / SAVED_MODEL_FILE).exists() else folder / MANIFEST


def labels_of(folder: Path) -> Path:
    """The class names of a published version, whatever its format."""
    return beside(folder, LABELS)


def pictures_of(folder: Path) -> Path:
    """How a published version takes pictures, whatever its format."""
    return beside(folder, PICTURES)


def beside(folder: Path, name: str) -> Path:
    """A file of a published version that lies beside the model, whatever its format."""
    in_assets = folder / ASSETS / name
    return in_assets if in_assets.exists() else folder / name
