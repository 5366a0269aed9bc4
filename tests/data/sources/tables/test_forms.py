"""The forms in which people's CSV files come: each gives the same pictures and labels."""

import csv
import io
import re

import numpy as np
import pytest

from digitline.base.errors import UserError
from digitline.data.sources.slices import Damaged, ReadOptions
from digitline.data.sources.stratify import Cut
from digitline.data.sources.tables import csv_images

RNG = np.random.default_rng(0)
COUNT, SIDE = 60, 4
IMAGES = RNG.integers(0, 256, (COUNT, SIDE, SIDE, 1)) * (RNG.random((COUNT, SIDE, SIDE, 1)) < 0.8)
IMAGES[:, 0, 0] = 0  # As MNIST's corners are.
LABELS = np.arange(COUNT) * 7 % 10
PIXELS = [f"pixel{index}" for index in range(SIDE * SIDE)]
HEADER = ["label", *PIXELS]
NUMBERS = [str(index) for index in range(17)]


def rows(images=IMAGES, labels=LABELS):
    return [
        [str(label), *map(str, image.ravel().tolist())]
        for image, label in zip(images, labels, strict=True)
    ]


def last(lines):
    return [[*line[1:], line[0]] for line in lines]


def indexed(lines):
    return [[str(index), *line] for index, line in enumerate(lines)]


def changed(row, column, word):
    lines = rows()
    lines[row][column] = word
    return lines


def labelled(words):
    return [[words[index % len(words)], *line[1:]] for index, line in enumerate(rows())]


def table(lines, header=None, separator=",", newline="\n"):
    return "".join(separator.join(line) + newline for line in ([header] if header else []) + lines)


def quoted(lines, header):
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *lines])
    return file.getvalue()


def read(tmp_path, content, label_column=None, image_size=None):
    path = tmp_path / "odd.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    options = ReadOptions(
        image_size=image_size,
        channels=None,
        fit="pad",
        digits=False,
        num_shards=3,
        cut=lambda splits: Cut(0, 0, 0),
        executor=lambda work, count, title: [work(index) for index in range(count)],
        folder=tmp_path,
        label_column=label_column,
    )
    source = csv_images.plan(path, options)
    examples = [example for index in range(source.num_slices) for example in source.read(index)]
    return source, examples


UNIT = [[line[0], *(f"{int(cell) / 255:.6f}" for cell in line[1:])] for line in rows()]
COMMAS = [[cell.replace(".", ",") for cell in line] for line in UNIT]
SAVETXT = [[f"{float(cell):.18e}" for cell in line] for line in rows()]
PACKED = table([[line[0], " ".join(line[1:])] for line in rows()], ["emotion", "pixels"])
ONE_HOT = np.eye(10, dtype=int).astype(str).tolist()
BY_NAME = sorted(range(16), key=lambda index: f"pixel{index}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (table(rows(), HEADER), "label in column `label`, 16 pixels 4x4, separator `,`, header"),
        (table(rows()), "label in column 0 (counted from 0, the first), 16 pixels"),
        ("\ufeff" + table(rows(), HEADER), "column `label`"),
        (table(rows(), HEADER, ";"), "separator `;`, header"),
        (table(rows(), None, "\t", "\r\n"), "separator tab, no header"),
        (table(rows(), HEADER, newline="\r"), "column `label`"),
        (table(rows(), newline="\r"), "no header"),
        ("\n ,,,\n" + table(rows(), HEADER).replace("\n", "\n\n"), "column `label`"),
        ("sep=;\n" + table(rows(), HEADER, ";"), "column `label`"),
        (quoted(rows(), HEADER), "column `label`"),
        (table(rows(), ["# label", *PIXELS]), "column `label`"),
        ("# made by x\n\n \n# in, may\n\n" + table(rows(), HEADER), "column `label`"),
        ("# made by x\n" + table(rows()), "no header"),
        (table([[f"{cell:>4}" for cell in line] for line in rows()], None, " "), "no header"),
        (table(rows(), [" Label ", *PIXELS], ", "), "column `Label`"),
        (table(rows(), NUMBERS), "column `0`, 16 pixels 4x4, separator `,`, header"),
        (table(indexed(rows()), ["", *NUMBERS]), "column `0`"),
        (table(rows(), ["9", *["7", "0"], *(f"0.{n}" for n in range(1, 15))]), "first), 16 pixels"),
        (table(rows(), ["label", *NUMBERS[:16]]), "column `label`"),
        (table(rows(), ["label", *["0"] * 16]), "column `label`"),
        (table(rows(), ["what", *PIXELS]), "column `what`"),
        (table(last(rows()), [*PIXELS, "Target"]), "column `Target`"),
        (table(last(rows())), "column 16 (counted from 0, the last)"),
        (table(indexed(rows()), ["", *HEADER]), "left out: column 0 (counted from 0, the first)"),
        (table(indexed(rows()), ["Unnamed: 0", *HEADER]), "left out: column `Unnamed: 0`"),
        (table(indexed(rows())), "label in column 1 (counted from 0), 16 pixels"),
        (table(indexed(last(rows()))), "label in column 17 (counted from 0, the last)"),
        (table(indexed(rows()), HEADER, " "), "column `label`"),
        (table(rows(), HEADER).replace("\n", ",\n"), "left out: column 17"),
        (table([[*line, "Training"] for line in rows()], [*HEADER, "Usage"]), "column `Usage`"),
        (table(UNIT, HEADER), "pixels from 0 to 1, multiplied by 255"),
        (table(COMMAS, HEADER, ";"), "pixels from 0 to 1, multiplied by 255"),
        (table(SAVETXT, None, " "), "separator blank, no header"),
        (PACKED, "16 pixels 4x4 in column `pixels`"),
        (PACKED.replace(",", ";"), "16 pixels 4x4 in column `pixels`, separator `;`"),
        (
            quoted([[line[0], str(list(map(int, line[1:])))] for line in rows()], ["y", "image"]),
            "16 pixels 4x4 in column `image`",
        ),
        (
            table(
                [[line[0], *(f"{cell}.3" for cell in line[1:])] for line in rows()], HEADER
            ).replace("255.3", "254.6"),
            "pixels with fractions are rounded to whole numbers",
        ),
        (
            table(
                [[line[0], *(line[1 + index] for index in BY_NAME)] for line in rows()],
                ["label", *(PIXELS[index] for index in BY_NAME)],
            ),
            "in the order of the numbers in their names",
        ),
    ],
)
def test_forms_of_one_table(content, said, tmp_path, capsys):
    source, examples = read(tmp_path, content)
    assert said in capsys.readouterr().err
    assert source.label_names == tuple("0123456789")
    np.testing.assert_array_equal([example.image for example in examples], IMAGES)
    np.testing.assert_array_equal([example.label for example in examples], LABELS)


def test_a_column_of_splits_is_followed(tmp_path):
    usage = ["Training"] * 40 + ["PublicTest"] * 9 + ["PrivateTest"] * 10 + ["Other"]
    lines = [[line[0], " ".join(line[1:]), use] for line, use in zip(rows(), usage, strict=True)]
    source, examples = read(tmp_path, table(lines[:-1], ["emotion", "pixels", "Usage"]))
    splits = ["train"] * 40 + ["validation"] * 9 + ["test"] * 10
    assert [example.split for example in examples] == splits
    np.testing.assert_array_equal([example.image for example in examples], IMAGES[:-1])
    assert source.totals == {str(label): np.sum(LABELS[:40] == label) for label in range(10)}


@pytest.mark.parametrize(("column", "lines"), [("0", rows()), ("-1", last(rows())), ("k", rows())])
def test_the_column_that_the_user_says(column, lines, tmp_path):
    header = ["k", *["label" if name == "pixel9" else name for name in PIXELS]]
    if column == "k":
        with pytest.raises(UserError, match=r"15 beside the label in column `k`"):
            read(tmp_path, table(lines, header), column)
        header[10] = "pixel9"
    _, examples = read(tmp_path, table(lines, header if column == "k" else None), column)
    np.testing.assert_array_equal([example.label for example in examples], LABELS)


def test_colour_planes_in_names_are_brought_together(tmp_path):
    colour = RNG.integers(0, 256, (COUNT, SIDE, SIDE, 3))
    planes = rows(colour.transpose(0, 3, 1, 2))
    header = ["label", *(f"{letter}{index}" for letter in "rgb" for index in range(16))]
    _, examples = read(tmp_path, table(planes, header))
    np.testing.assert_array_equal([example.image for example in examples], colour)


def test_black_and_white_by_the_whole_file(tmp_path):
    """A slice of black images alone does not decide."""
    bits = (IMAGES > 127).astype(int)
    _, examples = read(tmp_path, table(rows(bits), HEADER))
    np.testing.assert_array_equal([example.image for example in examples], bits * 255)
    bits[:40] = 0
    bits[-1] = IMAGES[-1]
    _, examples = read(tmp_path, table(rows(bits), HEADER))
    np.testing.assert_array_equal(examples[-2].image, bits[-2] * 255)
    assert "not a number from 0 to 1, as in most images" in examples[-1].cause


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["10", "10.0", " 10 ", '"10"', "9", "2"], ("2", "9", "10")),
        (["a,b", "c"], ("a,b", "c")),
        (["caf\u00e9", "cafe\u0301", "b"], ("b", "café")),
        (["1", "3", "0"], ("0", "1", "3")),
        (["cat", "2", "10"], ("10", "2", "cat")),
    ],
)
def test_labels(words, names, tmp_path, capsys):
    cells = [f'"{word}"' if "," in word else word for word in words]
    source, examples = read(tmp_path, table(labelled(cells), HEADER))
    assert source.label_names == names
    assert len(examples) == COUNT
    if names == ("0", "1", "3"):
        assert "labels are 0 to 3, but no image is of 2: not classes" in capsys.readouterr().err


def test_a_fraction_in_a_late_row_is_said(tmp_path, capsys):
    lines = rows() * 30
    read(tmp_path, table(lines, HEADER))
    assert "fractions" not in capsys.readouterr().err
    read(tmp_path, table([*lines, ["1", "200", *["0.5"] * 15]], HEADER))
    assert "pixels with fractions are rounded to whole numbers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "index", "cause"),
    [
        (table(changed(3, 0, ""), HEADER), 3, "row 4: it has no label"),
        (table(changed(3, 0, ""), HEADER, "\t"), 3, "row 4: it has no label"),
        (table(changed(0, 0, "NaN")), 0, "row 1: it has no label: NaN stands for"),
        (table(changed(3, 0, "a\x07"), HEADER), 3, "row 4: its label holds a line break or"),
        (table(changed(3, 0, "é"), HEADER).encode("latin-1"), 3, "row 4: its label is not text"),
        (table(changed(3, 5, ""), HEADER), 3, "row 4: pixel 4 is empty, not a number from"),
        (table(changed(0, 5, "x")), 0, "row 1: pixel 4 is x, not a number from"),
        (table(last(changed(3, 0, "1,5"))), 3, "row 4: expected 17 columns, got 18"),
        (table([*rows()[:9], HEADER, *rows()[9:]], HEADER), 9, "row 10: it repeats the header"),
    ],
)
def test_a_damaged_row_is_named_and_moves_no_other(content, index, cause, tmp_path):
    source, examples = read(tmp_path, content)
    damaged = examples.pop(index)
    assert isinstance(damaged, Damaged)
    assert cause in damaged.cause
    assert source.label_names == tuple("0123456789")
    expected = LABELS if "repeats" in cause else np.delete(LABELS, index)
    np.testing.assert_array_equal([example.label for example in examples], expected)


def ends(first, last):
    """Rows without a header, with these numbers in the first and the last column in turn."""
    inner = IMAGES.reshape(COUNT, -1)[:, 1:]
    return table(
        [
            [str(first[row % len(first)]), *map(str, pixels), str(last[row % len(last)])]
            for row, pixels in enumerate(inner.tolist())
        ]
    )


@pytest.mark.parametrize(
    ("first", "last", "label", "said"),
    [
        (range(25), [0], 0, ""),
        ([0], [*range(24), 40], 16, ""),
        (range(5), [0, 7, 255], 0, "column 16 .* may be it: if so, say --label_column=16"),
        ([0, 255], range(1, 4), 16, "column 0 .* may be it: if so, say --label_column=0"),
        ([300, 400], range(3), 0, "column 16 .* may be it"),
        (range(3), range(4), None, ""),
        ([0, 7], [3, 255], None, ""),
    ],
)
def test_the_label_is_the_first_or_the_last_column(first, last, label, said, tmp_path, capsys):
    content = ends(list(first), list(last))
    if label is None:
        with pytest.raises(UserError, match=r"cannot be told: .* --label_column"):
            read(tmp_path, content)
        return
    source, examples = read(tmp_path, content)
    values = list(last if label else first)
    assert source.label_names == tuple(map(str, sorted(values)))
    assert [source.label_names[example.label] for example in examples] == [
        str(values[row % len(values)]) for row in range(COUNT)
    ]
    err = capsys.readouterr().err
    assert re.search(said, err) if said else "may be it" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table([line[:2] for line in rows()], ["label", "pixel"]), "there is only 1 column: too"),
        (
            table([line[:5] for line in rows()], ["k", "a", "b", "c", "d"]),
            "only 4 columns: too few",
        ),
        (table([line[1:] for line in rows()], PIXELS), "no label column, only 16 pixels"),
        (table([line[1:] for line in rows()]), "no label column, only 16 pixels"),
        (table([line[:15] for line in rows()]), "15 columns .*, 14 beside a label: .*--image_size"),
        (table(labelled(["7"]), HEADER), "holds one value, 7, in all of 60 rows: name the label's"),
        (
            table(labelled(["é", "b"]), HEADER).encode("latin-1"),
            r"one value, b, in all of 30 rows .*; 30 rows have none .its label is not text",
        ),
        (table(labelled([str(n) for n in range(60)]), HEADER), "60 different values"),
        (table(last(labelled([str(n) for n in range(60)]))), "cannot be told: .* --label_column"),
        (table(labelled(["1", "01"]), HEADER), "01 and 1 are one number"),
        (
            table(labelled(['"a\nb"', "c"]), HEADER),
            "a cell in quotes goes over the end of its line",
        ),
        (table(rows(), HEADER).encode("utf-16"), "UTF-16: save it as CSV in UTF-8"),
        (b"\x1f\x8b\x08", "gzipped: unpack it first"),
        (b"PK\x03\x04", "an Excel file"),
        ("<html>", "an HTML or XML page"),
        ("1,2,3,4,5,6\n", "its rows have 6 columns .*: expected the pixels of an image, square"),
        ("hello\nworld\n", "found no columns"),
        (
            table([line[: 9 + index] for index, line in enumerate(rows()[:8])]),
            "line 2 has 10 columns, but line 1 has 9 .between `,`.: expected equally many",
        ),
        (
            table([[line[0], *(f"-{cell}" for cell in line[1:])] for line in rows()], HEADER),
            "expected pixels from 0 to 255, or from 0 to 1, got -255 to -?0",
        ),
        (
            table(labelled(["é"]), HEADER).encode("latin-1"),
            r"no label at all \(its label is not text in UTF-8",
        ),
        (
            table([[*line[1:], *ONE_HOT[int(line[0])]] for line in rows()]),
            "column 16 .* to column 25 .* hold a single 1 in each row, as one-hot labels do",
        ),
        (table([[*ONE_HOT[int(line[0])], *line[1:]] for line in rows()]), "0:10].idxmax"),
        ("\n\n", "holds no rows"),
        (table([], HEADER), "holds no rows, only a header"),
        ("file,label\n1.png,a\n2.png,b\n", "column `file` names picture files, .*--source_dir"),
    ],
)
def test_rejects_what_is_no_such_table(content, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read(tmp_path, content)
