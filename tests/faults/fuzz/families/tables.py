"""CSV files of pixels, and of names of picture files."""

import random
from pathlib import Path

from digitline.base.pictures.config import PictureConfig
from digitline.data.sources.slices import ReadOptions
from digitline.data.sources.stratify import Cut
from digitline.data.sources.tables import csv_images, file_table, picture_finder
from digitline.serving.prediction.csv_rows import CsvRows
from digitline.serving.prediction.pictures import Wanted

from ..damage import odd
from ..target import Target

_PIXELS = 9
_CELLS = (
    *(b"", b" ", b"nan", b"NA", b"1e999", b"-1", b"256", b"0.5", b"1,5", b'"1,5"', b'"a\rb"'),
    *(b"b'7'", b"b'\\xzz'", b"b'\\'", b'"', b'""', b'"a""b"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"1" * 400, b"1_0", b"0x10", "٣".encode(), b"[1 2 3]", b"inf", b"1e308", b"007", b"+10"),
    *(b"a\x0bb", b"#", b"a.png", b"train", b"9007199254740993.0", b"1 2 3 4 5 6 7 8 9", b"'"),
)
_TITLES = (
    b"",
    b"id",
    b"p" + b"9" * 5000,
    b"label",
    b"split",
    b'"a',
    b"#x",
    b"1x1",
    b"0.1",
    b"\xff",
)
_SPLITS = (b"train", b"test", b"validation", b"Training", b"none")
_FILES = ("a.png", "b.png", "c/d.png", "e.jpg")


def _joined(chance: random.Random, lines: list[list[bytes]]) -> bytes:
    separator = odd(chance, b",", (b";", b"\t", b"|", b" ", b", "), 0.3)
    newline = odd(chance, b"\n", (b"\r\n", b"\r", b"\n\n", b"\n\r"), 0.2)
    start = odd(chance, b"", (b"\xef\xbb\xbf", b"sep=;\n", b"# words\n", b"\n\n", b"<html>"), 0.1)
    end = newline * chance.randrange(2)
    return start + newline.join(separator.join(line) for line in lines) + end


def _odd_cells(chance: random.Random, line: list[bytes], share: float) -> list[bytes]:
    line = [odd(chance, cell, _CELLS, share) for cell in line]
    return odd(chance, line, (line[:-1], [*line, b"1"], [], line * 2), 0.03)


def _build(chance: random.Random) -> bytes:
    """Rows of a label and pixels, or of all pixels in one cell."""
    is_packed, share = chance.random() < 0.25, chance.choice((0, 0, 0.005, 0.03, 0.2))
    labels = chance.choice(((b"0", b"1", b"2"), (b"cat", b"dog"), (b"7",), (b"1.0", b"2.5", b"x")))
    values = chance.choice(((b"0", b"255", b"17"), (b"0", b"1"), (b"0.5", b"0.25", b"0")))
    lines = []
    for row in range(chance.choice((0, 1, 2, 3, 6, 12))):
        pixels = [chance.choice(values) for _ in range(_PIXELS)]
        line = [labels[row % len(labels)], *([b" ".join(pixels)] if is_packed else pixels)]
        lines.append(_odd_cells(chance, line, share))
    if chance.random() < 0.1:
        lines = [[*line[1:], *line[:1]] for line in lines]
    has_split = chance.random() < 0.15
    if has_split:
        lines = [[*line, odd(chance, b"train", _SPLITS, 0.4)] for line in lines]
    if chance.random() < 0.6:
        names = [b"pixels"] if is_packed else [b"pixel%d" % index for index in range(_PIXELS)]
        titles = [b"label", *names, *([b"split"] if has_split else [])]
        lines.insert(0, [odd(chance, title, _TITLES, share) for title in titles])
    return _joined(chance, lines)


def _build_names(chance: random.Random) -> bytes:
    """Rows of a file's name and a label."""
    share = chance.choice((0, 0, 0.02, 0.2))
    lines = []
    for row in range(chance.choice((1, 2, 4, 8))):
        name = odd(chance, _FILES[row % len(_FILES)], ("/x/c/d.png", "d", "../a.png", "a" * 300))
        lines.append(_odd_cells(chance, [name.encode(), chance.choice((b"cat", b"dog"))], share))
    if chance.random() < 0.6:
        titles = [chance.choice((b"file", b"id")), chance.choice((b"label", b"breed"))]
        lines.insert(0, [odd(chance, title, _TITLES, share) for title in titles])
    return _joined(chance, lines)


def _seeds() -> list[bytes]:
    titles = b",".join([b"label", *(b"pixel%d" % index for index in range(_PIXELS))])
    rows = [b"%d,0,255,17,0,3,0,0,9,200" % (row % 3) for row in range(6)]
    packed = [b"%d;%s;train" % (row % 2, b" ".join([b"12"] * _PIXELS)) for row in range(6)]
    return [b"\n".join([titles, *rows]), b"\r\n".join([b"emotion;pixels;Usage", *packed])]


def _name_seeds() -> list[bytes]:
    return [b"file,label\na.png,cat\nb.png,dog\nc/d.png,cat\n", b"a.png;cat\nb.png;dog\ne.jpg;cat"]


def _prepare(path: Path) -> None:
    options = ReadOptions(
        image_size=None,
        channels=None,
        fit="pad",
        digits=False,
        num_shards=2,
        cut=lambda splits: Cut(0.2, 0, 0),
        executor=lambda work, count, title: [work(index) for index in range(count)],
        folder=path.parent,
    )
    source = csv_images.plan(path, options)
    for index in range(source.num_slices):
        list(source.read(index))


def _predict(path: Path) -> None:
    list(CsvRows(path).read(Wanted(PictureConfig((3, 3, 1)))))


def _names(path: Path) -> None:
    for file in _FILES:
        picture = path.parent / file
        if not picture.exists():
            picture.parent.mkdir(exist_ok=True)
            picture.touch()
    picture_finder.beside(path)
    file_table.read(path, path.parent, None)


TARGET = Target("train.csv", (_prepare, _predict), _seeds, _build, examples=60)
NAMES = Target("table.csv", (_names,), _name_seeds, _build_names)
