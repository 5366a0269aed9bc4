"""What lies beside a model: warm-up requests, samples, the C header, and TFLite's metadata."""

import importlib
import json
import re
from typing import Any

import numpy as np
import PIL.Image

from ....base import export_layout
from ....base.errors import VerificationError
from ....base.tf import tf
from ...signatures import CLASSIFY_METHOD
from ..calls import CALLS
from ..comparison import TOLERANCE
from ..reference import Reference
from ..staged import Staged
from .tflite_metadata import Metadata


def require_warmup(staged: Staged, reference: Reference) -> None:
    """Sends the warm-up requests; each must get the model's answer to the split's first image.

    Raises:
      VerificationError: one is missing, is for another model, or gets another answer.
    """
    messages = importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
    path = staged.folder / export_layout.EXTRA / export_layout.WARMUP_FILE
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    expected, seen = {each.name: each for each in staged.artifact.signatures}, set[str]()
    for record in records:
        log = messages.PredictionLog.FromString(record)
        part = getattr(log, log.WhichOneof("log_type"))
        spec, name = part.request.model_spec, part.request.model_spec.signature_name
        where = f"{path.name}, {name}"
        is_classify = log.WhichOneof("log_type") == "classify_log"
        if name not in expected or spec.name != reference.trained.name:
            raise VerificationError(
                f"{where}: is for signature {name!r} of model {spec.name!r}, expected "
                f"{', '.join(expected)} of {reference.trained.name!r}; nothing was published"
            )
        if is_classify != (expected[name].method == CLASSIFY_METHOD):
            raise VerificationError(f"{where}: is of another method; nothing was published")
        seen.add(name)
        if is_classify:
            examples = part.request.input.example_list.examples
            values = np.array([example.SerializeToString() for example in examples], object)
        else:
            (tensor,) = part.request.inputs.values()
            if list(part.request.inputs) != [expected[name].input.name]:
                raise VerificationError(
                    f"{where}: has the inputs {', '.join(part.request.inputs)}, expected "
                    f"{expected[name].input.name}; nothing was published"
                )
            values = tf.make_ndarray(tensor)
        outputs = CALLS[name].decode(staged.opened.run(name, values), reference.trained.label_names)
        answer = reference.seen(name, reference.split)[:1]
        if outputs["probabilities"].shape != answer.shape:
            raise VerificationError(
                f"{where}: holds {len(outputs['probabilities'])} images, expected one; nothing was "
                "published"
            )
        off = float(np.abs(outputs["probabilities"] - answer).max())
        if not off <= TOLERANCE:
            raise VerificationError(
                f"{where}: gets other probabilities than the first image of the split, off by "
                f"{off:.3g}; nothing was published"
            )
    if len(records) != len(expected) or seen != set(expected):
        raise VerificationError(
            f"{path.name}: has {len(records)} requests, for {', '.join(sorted(seen)) or 'none'}; "
            f"expected one for each of {', '.join(expected)}; nothing was published"
        )


def require_samples(staged: Staged, reference: Reference) -> None:
    """Holds the sample images against the split: the first of each class, and no others.

    Raises:
      VerificationError: names the class and the image.
    """
    extra, split = staged.folder / export_layout.EXTRA, reference.split
    sheet, path = extra / export_layout.SAMPLES_SHEET, extra / export_layout.SAMPLES_FACTS
    if not sheet.exists() and not path.exists():
        return  # None were asked for, or there is no room for them.
    facts = json.loads(path.read_text(encoding="utf-8"))
    height, width, channels = reference.trained.image_shape
    classes, columns = len(reference.trained.label_names), facts["columns"]
    pixels = np.asarray(PIL.Image.open(sheet)).reshape(-1, columns * width, channels)
    counts = facts["counts"]
    most = max(counts, default=0)
    available = np.bincount(split.labels, minlength=classes)
    if (
        facts["image_shape"] != [height, width, channels]
        or len(pixels) != classes * height
        or counts != np.minimum(available, most).tolist()
        or facts["split"] != staged.options.split
        or most > max(staged.options.samples, 0)
    ):
        raise VerificationError(
            f"{path.name}: says {counts} images of {facts['image_shape']} of {facts['split']}, "
            f"which has {available.tolist()} of {[height, width, channels]}; nothing was published"
        )
    cells = pixels.reshape(classes, height, columns, width, channels).transpose(0, 2, 1, 3, 4)
    for number, count in enumerate(counts):
        images = split.images[split.labels == number][:count]
        wrong = (cells[number, :count] != images).any(axis=(1, 2, 3))
        if wrong.any():
            raise VerificationError(
                f"{sheet.name}: image {int(wrong.argmax())} of class "
                f"{reference.trained.label_names[number]} is not the split's; nothing was published"
            )


def require_header(staged: Staged, reference: Reference) -> None:
    """Holds the C header against the file that it is made of: each byte, number and label.

    Raises:
      VerificationError: names what differs.
    """
    path = staged.folder / export_layout.C_HEADER_FILE
    if not path.exists() or staged.artifact.name != "tflite_int8":
        return
    text = path.read_text(encoding="ascii")
    defined = dict(re.findall(r"^#define \w+?_((?:INPUT|OUTPUT|CLASSES)\w*) (.+)$", text, re.M))
    label_lines = re.search(r"_labels\[\] = \{\n(.*?)\n\};", text, re.S)
    array = re.search(r"_int8\[\] = \{\n(.*?)\n\};", text, re.S)
    length = re.search(r"_len = (\d+);", text)
    content = staged.path.read_bytes()
    written = bytes(int(number, 16) for number in re.findall(r"0x\w\w", array[1] if array else ""))
    labels = re.findall(r'^ *"(.*)",$', label_lines[1] if label_lines else "", re.M)
    facts = {
        "array": (written == content, True),
        "length": (length and int(length[1]), len(content)),
        "labels": (tuple(map(_unescaped, labels)), reference.trained.label_names),
        "classes": (defined.get("CLASSES"), str(len(reference.trained.label_names))),
        **{
            name: (defined.get(name), value)
            for kind, tensor in zip(("INPUT", "OUTPUT"), _tensors(content), strict=True)
            for name, value in _defines(kind, tensor).items()
        },
    }
    for name, (found, expected) in facts.items():
        if found != expected:
            raise VerificationError(
                f"{path.name}: its {name} is {found}, that of {staged.path.name} {expected}; "
                "nothing was published"
            )


def _tensors(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """LiteRT's details of the input and of the probabilities."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=content).get_signature_runner()
    (image,) = runner.get_input_details().values()
    return image, runner.get_output_details()["probabilities"]


def _defines(kind: str, tensor: dict[str, Any]) -> dict[str, str]:
    scale, zero_point = tensor["quantization"]
    shape = tensor["shape"].tolist()
    types = {"int8": "int8_t", "uint8": "uint8_t", "float32": "float"}
    return {
        f"{kind}_TYPE": types[np.dtype(tensor["dtype"]).name],
        f"{kind}_RANK": str(len(shape)),
        f"{kind}_SHAPE": "{" + ", ".join(map(str, shape)) + "}",
        f"{kind}_SIZE": str(int(np.prod(shape))),
        f"{kind}_SCALE": f"{np.float32(scale or 1.0)}f",
        f"{kind}_ZERO_POINT": f"({zero_point})",
    }


def _unescaped(text: str) -> str:
    codes = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)
    return codes.encode("latin-1").decode()


def require_metadata(staged: Staged, reference: Reference) -> None:
    """Reads TFLite's metadata: how pixels become the input, and where the labels are.

    Raises:
      VerificationError: names what is otherwise.
    """
    content = staged.path.read_bytes()
    found = Metadata.of(content)
    (signature,) = staged.artifact.signatures
    channels = 3 if signature.input.shape[-1] == "3" else reference.trained.image_shape[2]
    takes_bytes = signature.input.dtype == "uint8"
    expected = Metadata(
        inputs=(signature.input.name,),
        # (pixel - mean) / std, before a runtime makes int8 of it: pixels go in as they are.
        normalization=None if takes_bytes else ((0.0,), (1.0,)),
        colours="RGB" if channels == 3 else "grey",
        outputs=tuple(sorted(tensor.name for tensor in signature.outputs)),
        labels_of="probabilities",
        labels_file=export_layout.LABELS,
    )
    if found != expected:
        raise VerificationError(
            f"{staged.artifact.title}: its metadata say {found}, expected {expected}; nothing was "
            "published"
        )
