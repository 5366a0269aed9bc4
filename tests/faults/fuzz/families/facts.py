"""What lies inside a TFLite file, as a zip archive behind the model: labels, records in JSON."""

import json
import random
from pathlib import Path

from digitline.base import configs
from digitline.base.export_layout import CERTAINTY, LABELS, PICTURES
from digitline.base.pictures.config import PictureConfig
from digitline.serving import description

from ..damage import mend_zip, odd
from ..target import Target
from .arrays import zipped

_SHAPE = (28, 28, 1)
_SOUND = configs.to_config(PictureConfig(_SHAPE))
_VALUES = (
    *(None, True, -1, 0, 255, 1e308, 10**400, "", "pad", "\ud800", [], {}, [28, 28], [28, 28, 2]),
    *([[[]]], {"fit": "crop"}, [True, 28, 1], "x" * 5000),
)
_TEXTS = (
    *("", "NaN", "{", "[" * 900, '{"fit": Infinity}', '{"scale": 1e999}', "\0", "\ufeff{}", "null"),
    *('{"image_shape": [28, 28, 1], "image_shape": 3}', "1" * 5000, '{"digits": "\\ud800"}'),
)


def _json(chance: random.Random, value: dict[str, object]) -> str:
    changed = {odd(chance, key, ("", "other")): odd(chance, value[key], _VALUES) for key in value}
    return odd(chance, json.dumps(changed), _TEXTS, 0.1)


def _build(chance: random.Random) -> bytes:
    texts = {
        LABELS: odd(chance, "0\n1\n", ("", "\0", "a\r\nb", "\x1b[2J", "\u2028", "é\n")),
        PICTURES: _json(chance, _SOUND),
        CERTAINTY: _json(chance, {"threshold": chance.choice((0.5, 0, 1, 2))}),
    }
    kept = {name: text for name, text in texts.items() if chance.random() < 0.8}
    contents = {
        odd(chance, name, ("é", "a/b"), 0.03): text.encode("utf-8", "surrogatepass")
        for name, text in kept.items()
    }
    packing = odd(chance, 0, (8, 12, 14), 0.1)
    return chance.randbytes(chance.choice((0, 8, 40))) + zipped(contents, packing)


def _seeds() -> list[bytes]:
    words = {PICTURES: json.dumps(_SOUND), LABELS: "0\n1\n", CERTAINTY: '{"threshold": 0.5}'}
    contents = {name: text.encode() for name, text in words.items()}
    return [b"\x1c\0\0\0TFL3" + zipped(contents), zipped(contents)]


def _describe(path: Path) -> None:
    description.describe(path, _SHAPE)


TARGET = Target("model.tflite", (_describe,), _seeds, _build, mend_zip)
