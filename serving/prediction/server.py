"""The model that answers, behind a server: `digitline serve` or TF Serving."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ...base import progress
from ...base.errors import UserError
from ...base.export_layout import DEFAULT_SIGNATURE
from ..client import Classified, Client
from ..client.images import image_shape
from ..core.servable import CLASSIFY_METHOD, PREDICT_METHOD, Signature
from ..description import Description
from ..protocol.tensors import STRING
from .model import Model, pictures
from .options import PredictOptions
from .pictures import Picture, Wanted

# The signature of our exports that takes picture files.
_FILES = "predict_bytes"
# Where a model takes only files: the size at which they are looked at here, for blank ones.
_LOOKED_AT = (64, 64, 3)


@contextlib.contextmanager
def on_server(options: PredictOptions, server: str) -> Iterator[Model]:
    """A model on a server.

    Picture files themselves go to a signature that takes them, where its graph treats them as
    its training images. Else they become pixels here, as `digitline serve` tells how they should.

    Raises:
      UserError: the server does not answer, or the model takes something else.
    """
    # `--label=` of a script states none.
    spec = (options.model_name, options.version, options.label or None)
    stated = spec[2] if options.version is None else options.version
    shown = f"{server} {options.model_name}" + ("" if stated is None else f"/{stated}")
    certificates = (options.tls_ca, options.tls_cert, options.tls_key)
    with Client(server, options.timeout, 3, *certificates) as client:
        signatures = client.metadata(*spec)
        name = options.signature or _chosen(signatures, options.digits)
        sends_files = options.digits is None and _takes_files(signatures.get(name))
        pixels_to = options.signature or DEFAULT_SIGNATURE
        try:
            shape = image_shape(signatures, pixels_to, server)
        except UserError:
            if not sends_files:
                raise
            shape, pixels_to = _LOOKED_AT, name
        told = client.description(*spec)
        description = told or Description((), None, shape, None)
        if sends_files and told is None:  # Its graph knows how.
            description = dataclasses.replace(description, recorded_pictures=description.pictures)
        config = pictures(description, options.digits, shown)

        def ask(images: np.ndarray, signature: str) -> Classified:
            return client.classify_images(images, spec[0], signature, *spec[1:])

        def classify(batch: Sequence[Picture]) -> Classified:
            contents = [picture.content for picture in batch if picture.content is not None]
            if contents:
                return client.classify_files(contents, spec[0], name, *spec[1:])
            return ask(np.stack([picture.pixels for picture in batch]), pixels_to)

        labels = description.labels or _class_names(signatures, ask)
        if not labels and not _names_classes(signatures.get(name)):
            progress.say(f"{shown} does not name its classes: they are shown by number")
        wanted = Wanted(config, sends_files)
        yield Model(shown, wanted, labels, description.threshold, classify)


def _chosen(signatures: Mapping[str, Signature], digits: bool | None) -> str:
    """The signature to call where none is named."""
    if digits is None and _takes_files(signatures.get(_FILES)):
        return _FILES
    return DEFAULT_SIGNATURE


def _takes_files(signature: Signature | None) -> bool:
    """Whether its only input is strings of any number that are not `tf.Example`s."""
    if signature is None or signature.method != PREDICT_METHOD or len(signature.inputs) != 1:
        return False
    (info,) = signature.inputs.values()
    return info.dtype == STRING and info.shape in (None, (None,))


def _names_classes(signature: Signature | None) -> bool:
    return signature is not None and any(
        info.dtype == STRING for info in signature.outputs.values()
    )


def _class_names(
    signatures: Mapping[str, Signature], ask: Callable[[np.ndarray, str], Classified]
) -> tuple[str, ...]:
    """The names by class number, of a server that tells only one or the other in an answer.

    It is shown two images twice: through the signature that gives probabilities by number, and
    through one that gives names, the best first. The order of the probabilities is that of the
    names; both images must agree.

    Returns:
      The names; none where there are not both signatures, or their answers do not fit.
    """
    numbered = signatures.get(DEFAULT_SIGNATURE)
    naming = [name for name, one in signatures.items() if one.method == CLASSIFY_METHOD]
    if numbered is None or not numbered.image_shape or not naming:
        return ()
    shape = (2, *numbered.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images[0] //= 8
    try:
        by_number, by_name = ask(images, DEFAULT_SIGNATURE), ask(images, naming[0])
    except UserError:  # It takes other examples.
        return ()
    if by_number.names or not by_name.names:
        return ()
    order = np.argsort(-by_number.probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(by_number.probabilities, order, axis=1)
    if by_name.probabilities.shape != ranked.shape or not np.allclose(
        ranked, by_name.probabilities, atol=1e-4
    ):
        return ()
    first, second = (
        dict(zip(numbers.tolist(), names, strict=True))
        for numbers, names in zip(order, by_name.names, strict=True)
    )
    return tuple(first[number] for number in sorted(first)) if first == second else ()
