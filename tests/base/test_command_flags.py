import dataclasses
from pathlib import Path

import pytest

from digitline.base import command, command_flags
from digitline.base.command_flags import flag
from digitline.base.errors import UsageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    epochs: float = flag(5.0, "Passes.", group="Recipe", at_least=0.5, formerly="passes")
    workdir: Path | None = flag(None, "Folder.", group="Where")
    formats: tuple[str, ...] = flag(("tflite",), "Formats.", group="Where")
    cache: str = flag("memory", "Cache.", group="Where", words=("memory", "file"))
    kinds: tuple[str, ...] = flag(("a", "b"), "Kinds.", group="Where", words=("a", "b", "cc"))
    overwrite: bool = flag(False, "Replace.", group="Where")


def options(*arguments):
    flags = command_flags.flag_values(Options)
    command_flags.parse("digitline demo", flags, flags, ["demo", *arguments])
    return command_flags.read(Options, flags)


def test_the_defaults_are_those_of_the_dataclass():
    assert options() == Options()


def test_each_type_is_read():
    words = "--epochs=3 --workdir=runs/a --formats=a,b --cache=file --kinds=cc,a --overwrite"
    read = options(*words.split())
    assert read == Options(
        epochs=3.0,
        workdir=Path("runs/a"),
        formats=("a", "b"),
        cache="file",
        kinds=("cc", "a"),
        overwrite=True,
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--epochs=0.1", "flag --epochs=0.1"),
        ("--cache=fil", "did you mean file?"),
        ("--kinds=a,c", "did you mean cc?"),
        ("--kinds=", "at least one was expected of a,b,cc"),
        ("--epoch=1", "did you mean --epochs?"),
        ("--epochs=inf", "expected a finite number"),
    ],
)
def test_a_wrong_value_is_refused(argument, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        options(argument)


def test_a_former_name_still_works_and_says_the_new_one(capsys):
    assert options("--passes=2").epochs == 2.0
    assert "--passes is now --epochs" in capsys.readouterr().err


def test_a_former_name_is_not_in_the_help():
    demo = command.Command(
        "demo", "Shows.", command_flags.flag_values(Options), lambda *_: None, print, str
    )
    text = command.help_text(demo)
    assert "--epochs" in text
    assert "--passes" not in text
