import re

import numpy as np
import PIL.Image
import pytest

from digitline.serving.prediction import arguments
from digitline.serving.prediction.arrays import ArrayFile
from digitline.serving.prediction.csv_rows import CsvRows


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pics/b.png", "pics/a.JPG", "pics/deep/er/c.webp", "pics/notes.txt", "e/.x.png",
                 "pics/.hidden/d.png", "pics/__MACOSX/d.png", "rows.CSV", "x[1].png"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("L", (4, 4)).save(tmp_path / name, "PNG")
    np.save("many.npy", np.zeros((2, 4, 4), np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pics"], [["pics/a.JPG", "pics/b.png", "pics/deep/er/c.webp"]]),
        (["pics/*.png"], [["pics/b.png"]]),
        (["p*"], [["pics/a.JPG", "pics/b.png", "pics/deep/er/c.webp"]]),
        (["pics/**/*.webp", "pics/b.png"], [["pics/deep/er/c.webp", "pics/b.png"]]),
        (["x[1].png"], [["x[1].png"]]),  # A name that is a pattern too.
        (["pics/b.png", "rows.CSV", "pics/b.png"], [["pics/b.png"], "csv", ["pics/b.png"]]),
        (["many.npy"], ["array"]),
        (["missing.png"], [["missing.png"]]),  # Whoever reads it says so.
    ],
)
def test_what_arguments_name(folder, words, expected):
    found, errors = arguments.sources(words)
    assert errors == []
    kinds = {CsvRows: "csv", ArrayFile: "array"}
    assert [kinds.get(type(one)) or list(map(str, one.paths)) for one in found] == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [("*.gif", r"\*.gif: no file matches"), ("", "'': no file"), ("e", "e: no picture in it")],
)
def test_names_what_holds_no_picture(folder, word, message):
    found, errors = arguments.sources([word, "pics/b.png"])
    assert len(found) == 1
    (error,) = errors
    assert re.match(message, error)


def test_says_what_it_leaves_out(folder, capsys):
    arguments.sources(["pics"])
    assert "pics: 1 file is no picture by its suffix and is left out, such as pics/notes.txt" in (
        capsys.readouterr().err
    )
