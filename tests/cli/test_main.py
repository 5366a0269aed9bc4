import pytest

from digitline import __version__
from digitline.cli import main

from support import digitline, python


def test_help_lists_every_command():
    done = digitline("--help")
    assert done.returncode == 0
    for name in main.COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "serve " in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"]])
def test_help_does_not_import_tensorflow(arguments, tmp_path):
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('tensorflow' in sys.modules, file=sys.stderr))\n"
        "from digitline.cli.main import main\n"
        "main()\n"
    )
    done = python(code, *arguments, cwd=tmp_path)
    assert done.stdout.startswith("usage: digitline")
    assert done.stderr == "False\n"


def test_a_misspelt_command_is_answered_with_the_nearest():
    done = digitline("trian")
    assert done.returncode == 2
    assert done.stderr == "digitline: error: unknown command 'trian'; did you mean train?\n"


def test_no_command_and_a_flag_before_it():
    assert "which command?" in digitline().stderr
    assert "the command comes before its flags" in digitline("--model=lenet5", "train").stderr


def test_version():
    assert digitline("--version").stdout == f"digitline {__version__}\n"


@pytest.mark.parametrize("name", ["pipeline", "serving"])
def test_comparisons_that_are_scripts_now_are_named(name):
    done = digitline("benchmark", name, "--json")
    assert done.returncode == 2
    assert done.stderr.endswith(f"python benchmarks/{name}.py\n")
