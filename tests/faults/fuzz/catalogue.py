"""All that is fuzzed, by name."""

import importlib

from .target import Target

# In which module, under which name; those that import TensorFlow or LiteRT do so when asked.
_PLACES = {
    "idx": ("idx_files", "TARGET"),
    "idx labels": ("idx_files", "LABELS"),
    "csv": ("tables", "TARGET"),
    "csv of names": ("tables", "NAMES"),
    "npz": ("arrays", "TARGET"),
    "pictures": ("picture_files", "TARGET"),
    "archives": ("archive_files", "TARGET"),
    "wheels": ("wheels", "WHEELS"),
    "weights": ("wheels", "WEIGHTS"),
    "tfrecord frames": ("tfrecords", "FRAMES"),
    "tfrecords": ("tfrecords", "RECORDS"),
    "tfrecords of pictures": ("tfrecords", "PICTURES"),
    "checkpoints": ("checkpoint_files", "TARGET"),
    "tflite facts": ("facts", "TARGET"),
    "tflite": ("lite_files", "TARGET"),
}
NAMES = tuple(_PLACES)
# Native code reads these, of which no coverage is known.
NATIVE = ("tfrecords", "tfrecords of pictures", "checkpoints", "tflite")


def target(name: str) -> Target:
    """The target of a name."""
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(f"faults.fuzz.families.{module}"), attribute)
