"""Images to the inputs of a signature, and its outputs to classes."""

import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...base.errors import UsageError, UserError
from ...base.export_layout import DEFAULT_SIGNATURE
from ...base.tfrecord import image_example
from ..core.servable import CLASSIFY_METHOD, Signature, TensorInfo
from ..protocol import tensors

# Of picture files in a request, at most, but for one that is larger.
_REQUEST_BYTES = 8 << 20
# Outputs that hold probabilities, the best name first.
_PROBABILITIES = ("probabilities", "scores")


@dataclasses.dataclass(frozen=True)
class Classified:
    """The classes of N images.

    Attributes:
      labels: of each image: the class's name if the server gives it, else its number.
      classes: int64 [N], numbers; None where the server gives names instead.
      probabilities: float [N, K]; by class number, or in the order of `names`.
      names: [N][K], the names of the classes; None where the server gives none.
    """

    labels: list[str]
    classes: np.ndarray | None
    probabilities: np.ndarray
    names: list[list[str]] | None


def image_shape(
    signatures: Mapping[str, Signature], name: str, server: str
) -> tuple[int, int, int]:
    """(height, width, channels) of the images that a model takes.

    Args:
      signatures: of the model.
      name: of the signature to call; `serving_default` counts where it takes files of any size.
      server: for the error.

    Raises:
      UserError: none of them takes raw images.
    """
    for candidate in (name, DEFAULT_SIGNATURE):
        if candidate in signatures and (shape := signatures[candidate].image_shape):
            return shape
    taken = {key: _inputs_text(signature) for key, signature in signatures.items()}
    raise UserError(
        f"{server}: raw images were expected, uint8 [N, height, width, channels]; "
        f"the model's signatures take {taken}"
    )


def batches(
    pixels: np.ndarray, signature: Signature, batch: int
) -> Iterator[dict[str, np.ndarray]]:
    """Cuts images into requests.

    Args:
      pixels: uint8 [N, H, W, C].
      signature: takes raw images, image files, or `tf.Example`s with an image file `image`.
      batch: images in a request, at most; a signature of a fixed batch size has its own.

    Yields:
      The inputs by name; the last ones are filled up with zeros to a fixed batch size.

    Raises:
      UserError: the signature takes something else.
      UsageError: `batch` is less than 1.
    """
    if batch < 1:
        raise UsageError(f"batch: expected 1 or more images in a request, got {batch}")
    (name, info), *more = signature.inputs.items()
    raw = info.dtype == tensors.UINT8
    if more or not (raw or info.dtype == tensors.STRING) or pixels.ndim != 4:
        raise UserError(
            f"expected images, uint8 [N, height, width, channels], and a signature that takes "
            f"them; got {pixels.dtype} {list(pixels.shape)} for {_inputs_text(signature)}"
        )
    fixed = info.shape[0] if info.shape else None
    for start in range(0, len(pixels), fixed or batch):
        chunk = pixels[start : start + (fixed or batch)]
        if fixed and len(chunk) < fixed:
            chunk = np.pad(chunk, [(0, fixed - len(chunk)), (0, 0), (0, 0), (0, 0)])
        if not raw:
            contents = [_png(image) for image in chunk]
            if signature.method == CLASSIFY_METHOD:  # Its records need no label.
                contents = [image_example(content) for content in contents]
            chunk = np.array(contents, object)
        yield {name: chunk}


def file_batches(
    contents: Sequence[bytes], signature: Signature, batch: int
) -> Iterator[dict[str, np.ndarray]]:
    """Cuts picture files into requests, of `batch` files and `_REQUEST_BYTES` at most.

    Raises:
      UserError: the signature does not take any number of strings.
    """
    if [info.dtype for info in signature.inputs.values()] != [tensors.STRING]:
        raise UserError(f"picture files for a signature that takes {_inputs_text(signature)}")
    (name,) = signature.inputs
    chunk: list[bytes] = []
    size = 0
    for content in contents:
        if chunk and (len(chunk) == batch or size + len(content) > _REQUEST_BYTES):
            yield {name: np.array(chunk, object)}
            chunk, size = [], 0
        chunk.append(content)
        size += len(content)
    if chunk:
        yield {name: np.array(chunk, object)}


def classified(batches: Sequence[Mapping[str, np.ndarray]], count: int, server: str) -> Classified:
    """The classes in the outputs of a signature, of which the first `count` rows count.

    Raises:
      UserError: they hold no probabilities.
    """
    if not batches:
        return Classified([], np.zeros(0, np.int64), np.zeros((0, 0), np.float32), None)
    outputs = {
        name: np.concatenate([batch[name] for batch in batches])[:count]
        for name, value in batches[0].items()
        if value.ndim
    }
    candidates = [name for name in _PROBABILITIES if name in outputs]
    candidates += [name for name, value in outputs.items() if value.dtype.kind in "fV"]
    best = next((name for name in candidates if outputs[name].ndim == 2), None)
    if best is None:
        raise UserError(f"{server}: it gives {sorted(batches[0])}, and no probabilities")
    probabilities = outputs[best]
    require_probabilities(probabilities, f"{server}: its output {best}")
    classes = probabilities.argmax(axis=1).astype(np.int64)
    for value in outputs.values():
        if value.dtype.kind == "O" and value.shape == probabilities.shape:
            names = [[_text(name) for name in row] for row in value]
            labels = [row[index] for row, index in zip(names, classes, strict=True)]
            return Classified(labels, None, probabilities, names)
        if value.dtype.kind == "O" and value.shape == probabilities.shape[:1]:
            return Classified([_text(label) for label in value], classes, probabilities, None)
    return Classified([str(number) for number in classes], classes, probabilities, None)


def require_probabilities(values: np.ndarray, where: str) -> None:
    """Refuses numbers that are no probabilities, such as logits, or not even numbers.

    Raises:
      UserError: says which there are.
    """
    values = values.astype(np.float64)
    if not ((values >= 0) & (values <= 1 + 1e-3)).all():
        shown = "NaN" if np.isnan(values).any() else f"{values.min():.3g} to {values.max():.3g}"
        raise UserError(f"{where} holds {shown}, and no probabilities: they are from 0 to 1")


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _png(image: np.ndarray) -> bytes:
    import PIL.Image  # Raw pixels do without.

    file = io.BytesIO()
    grey = image.shape[2] == 1
    PIL.Image.fromarray(image[..., 0] if grey else image).save(file, format="PNG")
    return file.getvalue()


def _inputs_text(signature: Signature) -> str:
    return ", ".join(f"{name} {_info_text(info)}" for name, info in signature.inputs.items())


def _info_text(info: TensorInfo) -> str:
    try:
        dtype = "string" if info.dtype == tensors.STRING else tensors.dtype_of(info.dtype).name
    except ValueError:
        dtype = f"type {info.dtype}"
    return f"{dtype} {'of any rank' if info.shape is None else list(info.shape)}"
