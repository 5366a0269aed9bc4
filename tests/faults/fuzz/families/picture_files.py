"""Picture files of each format."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image

from digitline.base.pictures import decode
from digitline.base.pictures.config import PictureConfig

from ..damage import NUMBERS, damaged, number, odd
from ..target import Target

_START = b"\x89PNG\r\n\x1a\n"
_CHUNKS = (b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"tEXt", b"zTXt", b"IDAT")
_MODES = {
    **dict.fromkeys(("GIF", "WEBP", "JPEG2000", "AVIF"), ("RGB", "L")),
    **{"JPEG": ("RGB", "L", "CMYK"), "PNG": ("1", "L", "LA", "P", "RGBA", "I;16")},
    **{"BMP": ("1", "L", "P", "RGB"), "PPM": ("1", "L", "RGB"), "TIFF": ("L", "RGBA", "F", "I;16")},
}
# Pictures of the sizes that most are; a digit is sought in few of them, since that takes its time.
_GREY, _CROPPED = PictureConfig((8, 8, 1), "pad"), PictureConfig((6, 9, 3), "crop")
_DIGIT, _ONE_IN = PictureConfig((28, 28, 1), digits=True), 32
# Else most of the time goes into large black pictures.
_MOST_PIXELS = 1 << 20


def _encoded(kind: str, mode: str, pixels: np.ndarray) -> bytes:
    """A file of a picture uint8 [H, W, 4]."""
    if mode == "F":
        picture = PIL.Image.fromarray(pixels[:, :, 0].astype(np.float32) / 7)
    elif mode == "I;16":
        picture = PIL.Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 250)
    else:
        picture = PIL.Image.fromarray(pixels[:, :, :3].copy()).convert(mode)
        if "A" in mode:
            picture.putalpha(PIL.Image.fromarray(pixels[:, :, 3].copy()))
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + bytes(4)


def _png(chance: random.Random) -> bytes:
    """Chunks with the right checksums, some of them odd ones, or in odd places."""
    sides = [odd(chance, chance.randrange(1, 9), [n for n in NUMBERS if n < 2**32]) for _ in "hw"]
    depth, colour = odd(chance, 8, (0, 1, 2, 4, 16, 3)), chance.choice((0, 2, 3, 4, 6, 0, 2, 5))
    form = bytes([depth, colour, *(odd(chance, 0, (1,)) for _ in range(3))])
    pixels = zlib.compress(chance.randbytes(chance.choice((0, 9, 80, 300))))
    chunks = [
        _chunk(b"IHDR", struct.pack(">2I", *sides) + form),
        _chunk(b"PLTE", chance.randbytes(odd(chance, 12, (0, 1, 768, 900)))),
        _chunk(b"IDAT", damaged(chance, pixels)),
        _chunk(b"IEND", b""),
    ]
    for _ in range(chance.choice((0, 0, 1, 3))):
        content = chance.randbytes(chance.choice((0, 1, 6, 26)))
        chunks.insert(chance.randrange(5), _chunk(chance.choice(_CHUNKS), content))
    return _mend(_START + b"".join(chunks))


def _tiff(chance: random.Random) -> bytes:
    """A directory of odd fields."""
    order = chance.choice("<>")
    fields = b""
    tags = (254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 339, 274, 34665)
    count = chance.randrange(1, 12)
    for tag in sorted(chance.choice(tags) for _ in range(count)):
        kind = odd(chance, chance.choice((3, 4)), (0, 1, 2, 5, 12, 16))
        values = odd(chance, 1, (0, 3))
        value = odd(chance, chance.choice((1, 2, 8, 32)), (number(chance, 4),))
        fields += struct.pack(f"{order}HHII", tag, kind, values, value)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, count)
    return head + fields + bytes(4) + chance.randbytes(64)


def _ppm(chance: random.Random) -> bytes:
    kind = chance.choice((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"Pf", b"PF", b"Pyf"))
    words = [str(odd(chance, chance.randrange(1, 9), NUMBERS)).encode() for _ in range(3)]
    words = [odd(chance, word, (b"#x\n", b"-1", b"nan", b"0.0", b"9" * 20), 0.05) for word in words]
    return b"\n".join([kind, *words, chance.randbytes(50)])


def _build(chance: random.Random) -> bytes:
    own = chance.choice((_png, _png, _tiff, _ppm, None, None))
    if own is not None:
        return own(chance)
    kind = chance.choice(list(_MODES))
    sides = odd(chance, (5, 7), ((1, 1), (1, 60), (8, 8), (70, 2)))
    noise = np.frombuffer(chance.randbytes(16) * (sides[0] * sides[1] // 4 + 1), np.uint8)
    pixels = noise[: sides[0] * sides[1] * 4].reshape(*sides, 4)
    try:
        return _encoded(kind, chance.choice(_MODES[kind]), pixels)
    except (OSError, ValueError):  # Of a size that the format does not have.
        return _ppm(chance)


def _mend(data: bytes) -> bytes:
    """A PNG file with the right checksum for each chunk; others as they are."""
    if not data.startswith(_START):
        return data
    content, place = bytearray(data), len(_START)
    while place + 12 <= len(data):
        end = place + 8 + struct.unpack_from(">I", data, place)[0]
        if end + 4 > len(data):
            break
        struct.pack_into(">I", content, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(content)


def _seeds() -> list[bytes]:
    pixels = np.arange(5 * 6 * 4, dtype=np.uint8).reshape(5, 6, 4)
    return [_encoded(kind, mode, pixels) for kind, modes in _MODES.items() for mode in modes]


def _load(path: Path) -> None:
    decode.header(path)
    for config in (_GREY, _CROPPED):
        decode.load(path, config)
    if zlib.crc32(path.read_bytes()) % _ONE_IN == 0:
        decode.load(path, _DIGIT)


TARGET = Target(
    "picture.png",
    (_load,),
    _seeds,
    _build,
    _mend,
    examples=60,
    patches=((decode, "MOST_PIXELS", _MOST_PIXELS),),
)
