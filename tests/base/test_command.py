import dataclasses
import json
import textwrap

import pytest

from digitline.base import command, command_flags
from digitline.base.errors import UsageError

from support import call, python

# A command in a file of its own, so that whole processes can be looked at.
PROGRAM = textwrap.dedent(
    """
    import dataclasses, os, sys
    from digitline.base import command, command_flags
    from digitline.base.command_flags import flag
    from digitline.base.errors import UserError

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Options:
        count: int = flag(3, "How many.", group="What to do", at_least=1)
        weight: float = flag(1.0, "Weight.", group="What to do", at_least=0.0)
        shape: str = flag("round", "Shape.", group="What to do", words=("round", "square"))

    @dataclasses.dataclass(frozen=True)
    class Result:
        count: int
        shape: str
        errors: tuple[str, ...] = ()

    def run(options):
        print("chatter of a library")
        os.system("echo chatter of a child process")
        if options.count == 13:
            raise UserError("thirteen is taken", {"taken": 13})
        if options.count == 14:
            open("/proc/none/file", "w")
        if options.count == 15:
            raise RuntimeError("a fault of ours")
        if options.count == 16:
            return Result(16, "round", ("one was bad",))
        return Result(options.count, options.shape)

    COMMAND = command.Command(
        "demo",
        "Shows.",
        command_flags.flag_values(Options),
        lambda values, _: command_flags.read(Options, values),
        run,
        lambda result: f"count {result.count}",
        lambda result: {"count": result.count, "shape": result.shape},
        lambda result: result.errors,
    )
    command.main(COMMAND)
    """
)


def demo(*arguments, tmp_path):
    return python(PROGRAM, *arguments, cwd=tmp_path)


def test_result_alone_is_on_standard_output(tmp_path):
    done = demo("--count=5", tmp_path=tmp_path)
    assert (done.returncode, done.stdout) == (0, "count 5\n")
    assert "chatter of a library" in done.stderr
    assert "chatter of a child process" in done.stderr


def test_json_is_one_object_and_nothing_else(tmp_path):
    done = demo("--json", "--count=5", tmp_path=tmp_path)
    assert json.loads(done.stdout) == {"count": 5, "shape": "round"}


@pytest.mark.parametrize("flag", ["--json=true", "-json", "--flagfile=json.flags"])
def test_every_way_to_ask_for_json(flag, tmp_path):
    (tmp_path / "json.flags").write_text("--json")
    done = demo(flag, "--count=13", tmp_path=tmp_path)
    assert json.loads(done.stdout)["taken"] == 13


def test_absls_check_of_flags_runs_nothing(tmp_path):
    done = demo("--only_check_args", "--count=13", tmp_path=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_json_error_is_one_object_too(tmp_path):
    done = demo("--json", "--count=13", tmp_path=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": "thirteen is taken", "taken": 13}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--coutn=5"], 2, "unknown flag --coutn; did you mean --count?"),
        (["--count=0"], 2, "flag --count=0"),
        (["--weight=inf"], 2, "--weight=inf: expected a finite number"),
        (["--weight=nan"], 2, "--weight=nan: expected a finite number"),
        (["--count=many"], 2, "flag --count=many"),
        (["--shape=squar"], 2, "unknown shape 'squar'; did you mean square?"),
        (["stray"], 2, "unexpected argument 'stray'"),
        (["--count=13"], 1, "thirteen is taken"),
        (["--count=14"], 1, "/proc/none/file: No such file or directory"),
        (["--count=16"], 1, "one was bad"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(arguments, code, message, tmp_path):
    done = demo(*arguments, tmp_path=tmp_path)
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert done.returncode == code
    assert len(errors) == 1
    assert errors[0].startswith("digitline demo: error: ")
    assert message in errors[0]
    assert "Traceback" not in done.stderr


def test_a_fault_of_ours_keeps_its_traceback(tmp_path):
    done = demo("--count=15", tmp_path=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: a fault of ours" in done.stderr


def test_flags_can_come_from_a_file(tmp_path):
    (tmp_path / "job.flags").write_text("--count=7\n--shape=square\n")
    done = demo("--flagfile=job.flags", "--json", tmp_path=tmp_path)
    assert json.loads(done.stdout) == {"count": 7, "shape": "square"}


def test_help_groups_flags_with_their_defaults(tmp_path):
    done = demo("--help", tmp_path=tmp_path)
    assert done.returncode == 0
    text = done.stdout
    assert text.index("What to do:") < text.index("--count") < text.index("Output:")
    assert "How many. (default: 3)" in text
    assert "One of round|square. (default: round)" in text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--log", None), ("--verbose", None), ("--epoch", "--epochs"), ("--Json", "--json"),
        ("--lr", "--learning_rate"), ("--batch", "--batch_size"), ("--Batch-Size", "--batch_size"),
        ("--no-report", "--noreport"), ("--ema", "--ema_decay"), ("--val_split", "--test_split"),
    ],
)  # fmt: skip
def test_the_closest_flag(word, expected):
    flags = ["--json", "--mean", "--epochs", "--learning_rate", "--batch_size", "--report",
             "--noreport", "--overwrite", "--ema_decay", "--test_split"]  # fmt: skip
    assert command_flags.closest(word, flags) == expected


@dataclasses.dataclass(frozen=True)
class Options:
    count: int = command_flags.flag(3, "How many.", group="What")


def test_call_starts_from_the_defaults_each_time():
    demo = command.Command(
        "demo",
        "",
        command_flags.flag_values(Options),
        lambda values, _: command_flags.read(Options, values),
        lambda options: options,
        str,
    )
    assert call(demo, ["--count=8"]) == {"count": 8}
    assert call(demo, []) == {"count": 3}
    with pytest.raises(UsageError, match="unknown flag --other"):
        command.call(demo, ["--other=1"])


def test_importing_it_loads_nothing_heavy(tmp_path):
    code = "import sys, digitline.base.command; print('tensorflow' in sys.modules)"
    assert python(code, cwd=tmp_path).stdout == "False\n"
