import pytest

from digitline.base.errors import DataError
from digitline.data.sources import labels


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("10", "10.0", " 10 ", b"10", "+10", "1e1", "1.000000e+01", "10.", "b'10'"), "10"),
        (("0", "-0.0", "0.000000000000000000e+00"), "0"),
        (("007",), "007"),
        (("-5.0",), "-5"),
        (("1.50",), "1.50"),
        (("caf\u00e9", "cafe\u0301", "\ufeffcafé", "café\u00a0", "café".encode()), "café"),
        (("none",), "none"),
        (("T-shirt/top",), "T-shirt/top"),
        (("٣",), "٣"),
        (("1e308",), "1e308"),
        (("9007199254740993.0",), "9007199254740993.0"),
        (("b'\\xzz'", b"b'\\xzz'"), "b'\\xzz'"),
    ],
)
def test_forms_of_one_class(words, name):
    assert {labels.read(word) for word in words} == {name}


@pytest.mark.parametrize("word", ["", "  ", "\u200b", "nan", "NaN", "null", "NULL", "<NA>", "None"])
def test_a_missing_label_is_no_class(word):
    with pytest.raises(labels.LabelError, match="it has no label"):
        labels.read(word)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a\nb", "line break or a control character"),
        ("a\x00", "line break or a control character"),
        ("a\u2028b", "line break or a control character"),
        ("a\udcff", "line break or a control character"),
        (b"caf\xe9", "not text in UTF-8"),
        ("x" * 201, "201 characters"),
        pytest.param("a" + "\u0316\u0301" * 10**6, "2,000,001 characters", id="marks"),
    ],
)
def test_rejects_what_no_name_may_hold(word, message):
    with pytest.raises(labels.LabelError, match=message):
        labels.read(word)
    with pytest.raises(DataError, match=f"labels.csv: class 1: .*{message}"):
        labels.checked(["a", word], "labels.csv")


def test_numbers_are_ordered_as_numbers_and_words_as_words():
    assert list(labels.classes(["10", "9.0", "2", "-1"], "here")) == ["-1", "2", "9", "10"]
    assert labels.classes(["10", "9.0"], "here") == {"9": "9.0", "10": "10"}
    assert list(labels.classes(["b", "10", "2"], "here")) == ["10", "2", "b"]
    assert list(labels.classes(["010", "002"], "here")) == ["002", "010"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["10", "10.0"], "here: '10' and '10.0' are one class, 10"),
        (["café", "cafe\u0301"], "are one class, café"),
        (["7", "007"], "007 and 7 are one number"),
        (["a", "nan"], "'nan' as a class: it has no label"),
    ],
)
def test_rejects_two_words_for_one_class(words, message):
    with pytest.raises(DataError, match=message):
        labels.classes(words, "here")
    if "one class" in message:
        with pytest.raises(DataError, match="the classes 0 and 1 are both called"):
            labels.checked(words, "here")


@pytest.mark.parametrize(
    ("names", "are_classes", "said"),
    [
        ("013", False, "here: labels are 0 to 3, but no image is of 2: not classes"),
        ("13", True, "here: labels are 1 to 3, but no image is of 0, 2: classes without"),
        ("12", False, ""),
        ("ab", True, ""),
        (
            ["a", "B", "A", "b"],
            False,
            "here: classes that differ only in capitals: a and A, B and b",
        ),
        (["0", "90"], True, "here: labels are 0 to 90, but no image is of 1, 2, 3, 4, 5, …: cl"),
    ],
)
def test_unused_numbers_are_said(names, are_classes, said, capsys):
    labels.say_oddities(names, "here", are_classes)
    assert capsys.readouterr().err.startswith(said)
    assert said or not capsys.readouterr().err
