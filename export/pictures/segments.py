"""What lies in a picture file beside its pixels: how it is turned, and its transparent colour.

A file of each kind is a chain of segments: JPEG's markers, PNG's and WebP's chunks. The chain is
walked, not searched: the same bytes may stand in the compressed pixels, or in a thumbnail.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ...base.tf import tf
from . import numbers

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# In PNG's text chunks, the keyword of XMP.
_PNG_XMP = b"XML:com.adobe.xmp\0"
_ORIENTATION = 0x0112
# TIFF's types of numbers that it is stated as, and their bytes.
_SHORT, _LONG = 3, 4
_ENTRY_BYTES = 12
# As in Pillow: where EXIF does not state it, XMP may.
_XMP_ORIENTATION = r'^\C*?tiff:Orientation(?:="|>)([0-9])\C*$'


class Segments(NamedTuple):
    """The segments that count; each is empty where there is none.

    Attributes:
      exif: a TIFF header and what follows it.
      xmp: XML that holds Adobe's tags.
      key: of a PNG without a palette, the colour that is transparent: big-endian 16-bit numbers.
    """

    exif: tf.Tensor
    xmp: tf.Tensor
    key: tf.Tensor


class _Segment(NamedTuple):
    """One segment: what it holds, if it is one that counts, and where the next begins."""

    exif: Any
    xmp: Any
    key: Any
    next: Any


def of_jpeg(content: tf.Tensor) -> Segments:
    """The segments of a JPEG file, up to the first scan."""
    end = tf.strings.length(content)

    def segment(at: tf.Tensor) -> _Segment:
        marker = numbers.unsigned(content, at, 2)
        size = numbers.unsigned(content, at + 2, 2)
        body = tf.strings.substr(content, at + 4, tf.maximum(size - 2, 0))
        is_app1 = tf.equal(marker, 0xFFE1)
        has_no_body = (marker >= 0xFFD0) & (marker <= 0xFFD8)
        is_last = tf.equal(marker, 0xFFDA) | (marker < 0xFF01) | (size < 2) & ~has_no_body
        following = tf.where(has_no_body, at + 2, at + 2 + size)
        following = tf.where(tf.equal(marker, 0xFFFF), at + 1, following)  # A filling byte.
        return _Segment(
            _if(is_app1 & _begins(body, _EXIF), body),
            _if(is_app1 & _begins(body, _XMP), body),
            "",
            tf.where(is_last, end, following),
        )

    return _walk(segment, content, start=0, head=4, names=rb"Exif\x00\x00|http://ns.adobe.com/xap")


def of_png(content: tf.Tensor) -> Segments:
    """The segments of a PNG file; those after the pixels, too."""

    def segment(at: tf.Tensor) -> _Segment:
        size = numbers.unsigned(content, at, 4)
        name = tf.strings.substr(content, at + 4, 4)
        body = tf.strings.substr(content, at + 8, tf.minimum(size, 1 << 20))
        is_xmp = tf.equal(name, "iTXt") & _begins(body, _PNG_XMP)
        following = tf.where(size < 0, tf.strings.length(content), at + 12 + size)
        return _Segment(
            _if(tf.equal(name, "eXIf"), body),
            _if(is_xmp, body),
            _if(tf.equal(name, "tRNS"), body),
            following,
        )

    return _walk(segment, content, start=8, head=12, names=rb"eXIf|iTXt|tRNS")


def of_webp(content: tf.Tensor) -> Segments:
    """The segments of a WebP file."""

    def segment(at: tf.Tensor) -> _Segment:
        name = tf.strings.substr(content, at, 4)
        size = numbers.unsigned(content, at + 4, 4, little=True)
        body = tf.strings.substr(content, at + 8, tf.minimum(size, 1 << 20))
        following = tf.where(size < 0, tf.strings.length(content), at + 8 + size + size % 2)
        return _Segment(
            _if(tf.equal(name, "EXIF"), body), _if(tf.equal(name, "XMP "), body), "", following
        )

    return _walk(segment, content, start=12, head=8, names=rb"EXIF|XMP ")


def none() -> Segments:
    """Of files that state nothing of the kind, as BMP and GIF."""
    return Segments(*[tf.constant("")] * 3)


def orientation(segments: Segments) -> tf.Tensor:
    """EXIF's number of how the picture is turned, int32; only 1 to 8 say something."""
    is_stated = tf.not_equal(segments.exif, "") | tf.not_equal(segments.xmp, "")
    return tf.cond(is_stated, lambda: _stated(segments), lambda: tf.constant(1))


def _stated(segments: Segments) -> tf.Tensor:
    exif = tf.strings.regex_replace(segments.exif, r"^(?:Exif\x00\x00)+", "")
    stated = _of_tiff(exif)
    digit = tf.strings.regex_replace(segments.xmp, _XMP_ORIENTATION, r"\1")
    in_xmp = tf.cond(
        tf.equal(tf.strings.length(digit), 1),
        lambda: tf.strings.to_number(digit, tf.int32),
        lambda: tf.constant(1),
    )
    return tf.where(stated < 0, in_xmp, stated)


def _of_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in the first directory of a TIFF file, int32; -1 where it states none."""
    little = tf.equal(tf.strings.substr(tiff, 0, 2), "II")
    start = numbers.unsigned(tiff, 4, 4, little)
    count = numbers.unsigned(tiff, start, 2, little)
    content = numbers.bytes_at(tiff, start + 2, count * _ENTRY_BYTES)
    whole = tf.size(content) // _ENTRY_BYTES
    entries = tf.reshape(content[: whole * _ENTRY_BYTES], [-1, _ENTRY_BYTES])
    tags = numbers.of_bytes(entries[:, :2], little)
    types = numbers.of_bytes(entries[:, 2:4], little)
    counts = numbers.of_bytes(entries[:, 4:8], little)
    shorts = numbers.of_bytes(entries[:, 8:10], little)
    values = tf.where(tf.equal(types, _SHORT), shorts, numbers.of_bytes(entries[:, 8:12], little))
    is_number = (tf.equal(types, _SHORT) | tf.equal(types, _LONG)) & tf.equal(counts, 1)
    found = tf.boolean_mask(values, tf.equal(tags, _ORIENTATION) & is_number)
    return tf.cond(tf.size(found) > 0, lambda: found[-1], lambda: tf.constant(-1))


def _walk(
    segment: Callable[[tf.Tensor], _Segment],
    content: tf.Tensor,
    start: int,
    head: int,
    names: bytes,
) -> Segments:
    """Goes from segment to segment; the first of a kind counts.

    Args:
      segment: from where one begins to what it holds.
      start: where the first one begins.
      head: bytes that one has at least.
      names: a regular expression; a file without a match, as most are, has no segment that
        counts, and is not walked.
    """
    length = tf.strings.length(content)

    def follow(at: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor, key: tf.Tensor) -> tuple[Any, ...]:
        one = segment(at)
        return (
            tf.where(one.next > at, one.next, length),
            tf.where(tf.equal(exif, ""), one.exif, exif),
            tf.where(tf.equal(xmp, ""), one.xmp, xmp),
            tf.where(tf.equal(key, ""), one.key, key),
        )

    def walked() -> Segments:
        _, *found = tf.while_loop(
            lambda at, *_: at + head <= length,
            follow,
            (tf.constant(start), *none()),
            parallel_iterations=1,
        )
        return Segments(*found)

    may_count = tf.strings.regex_full_match(content, rb"\C*?(?:" + names + rb")\C*")
    return Segments(*tf.cond(may_count, walked, none))


def _begins(body: tf.Tensor, prefix: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(body, 0, len(prefix)), prefix)


def _if(condition: tf.Tensor, body: tf.Tensor) -> tf.Tensor:
    return tf.where(condition, body, "")
