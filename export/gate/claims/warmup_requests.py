"""The warm-up requests beside a SavedModel."""

import importlib
import io
from typing import Any

import numpy as np
import PIL.Image

from ....base import export_layout
from ....base.errors import VerificationError
from ....base.tf import tf
from ...functions import TrainedModel
from ...signatures import CLASSIFY_METHOD, HWC, Signature
from ..reference import Reference
from ..staged import Staged

# Between pixels, 0 to 255, that went through fractions.
_SAME = 1e-3


def require(staged: Staged, reference: Reference) -> None:
    """Reads the requests: one for each signature, with the first image of the split.

    Raises:
      VerificationError: one is missing, is for another model, or holds something else.
    """
    messages = importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
    path = staged.folder / export_layout.EXTRA / export_layout.WARMUP_FILE
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    expected = {signature.name: signature for signature in staged.artifact.signatures}
    found = []
    for record in records:
        log = messages.PredictionLog.FromString(record)
        part = getattr(log, log.WhichOneof("log_type"))
        spec, name = part.request.model_spec, part.request.model_spec.signature_name
        where = f"{path.name}, {name}"
        of_model = type(spec)(name=reference.trained.name, signature_name=name)
        if name not in expected or spec != of_model:
            raise VerificationError(
                f"{where}: is for {_shown(spec)}, expected one of {', '.join(expected)} of "
                f"{reference.trained.name!r}; nothing was published"
            )
        found.append(name)
        is_classify = log.WhichOneof("log_type") == "classify_log"
        if is_classify != (expected[name].method == CLASSIFY_METHOD):
            raise VerificationError(f"{where}: is of another method; nothing was published")
        fields = {field.name for field, _ in part.request.ListFields()}
        if fields != {"model_spec", "input" if is_classify else "inputs"}:
            raise VerificationError(
                f"{where}: holds {', '.join(sorted(fields))}; nothing was published"
            )
        read = _of_examples if is_classify else _of_tensors
        images = read(part.request, expected[name], reference.trained, where)
        image = reference.split.images[0]
        if images.shape != (1, *image.shape):
            raise VerificationError(
                f"{where}: holds {len(images)} images {list(images.shape[1:])}, expected one "
                f"{list(image.shape)}; nothing was published"
            )
        off = np.abs(images[0] - image).max()
        if not off <= _SAME:
            raise VerificationError(
                f"{where}: holds 1 image, but not the first of the split: a pixel is off by "
                f"{off:.3g}; nothing was published"
            )
    if sorted(found) != sorted(expected):
        raise VerificationError(
            f"{path.name}: has {len(records)} requests, for {', '.join(sorted(found)) or 'none'}; "
            f"expected one for each of {', '.join(expected)}; nothing was published"
        )


def _of_examples(request: Any, _: Signature, trained: TrainedModel, where: str) -> np.ndarray:
    """The images in a request of records, int64 [N, H, W, C]."""
    contents = []
    for example in request.input.example_list.examples:
        features = example.features.feature
        contents.extend(features["image"].bytes_list.value)
        if set(features) != {"image"}:
            raise VerificationError(
                f"{where}: its records have the features {', '.join(sorted(features))}, expected "
                "image; nothing was published"
            )
    if trained.encoding == "raw":
        pixels = [np.frombuffer(content, np.uint8) for content in contents]
        return np.stack(pixels).reshape(len(pixels), *trained.image_shape).astype(np.int64)
    return np.stack([_decoded(content, trained) for content in contents])


def _of_tensors(
    request: Any, signature: Signature, trained: TrainedModel, where: str
) -> np.ndarray:
    """The images in a request of one tensor, as numbers from 0 to 255, [N, H, W, C]."""
    found = {name: (proto.dtype, tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
    dtypes = {name: tf.as_dtype(dtype).name for name, (dtype, _) in found.items()}
    stated = signature.input
    if dtypes != {stated.name: stated.dtype}:
        raise VerificationError(
            f"{where}: its inputs are {dtypes}, expected {stated.name} {stated.dtype}; nothing was "
            "published"
        )
    values = found[stated.name][1]
    if stated.dtype == "string":
        return np.stack([_decoded(content, trained) for content in values])
    if HWC in stated.shape:
        return values.reshape(-1, *trained.image_shape).astype(np.float64) * 255
    return values.astype(np.int64)


def _decoded(content: bytes, trained: TrainedModel) -> np.ndarray:
    image = np.asarray(PIL.Image.open(io.BytesIO(content))).astype(np.int64)
    return image[..., np.newaxis] if trained.image_shape[2] == 1 and image.ndim == 2 else image


def _shown(spec: Any) -> str:
    return " ".join(str(spec).split())
