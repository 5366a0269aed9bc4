"""No command makes a folder called `s3:` of an address that it was given."""

import dataclasses
import importlib
import sys

import pytest

from digitline.base import addresses, command_flags
from digitline.cli.main import COMMANDS

from support import digitline


def path_flags():
    """The flags of all commands that are paths, by dataclass and name."""
    for module, _ in COMMANDS.values():
        importlib.import_module(f"digitline.{module}")
    modules = [module for name, module in sys.modules.items() if name.startswith("digitline.")]
    for options in {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }:
        for field in dataclasses.fields(options):
            if "group" in field.metadata and "Path" in str(field.type):
                yield options, field


FLAGS = {f"{options.__name__} --{field.name}": field for options, field in path_flags()}


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_a_flag_takes_an_address_or_refuses_it(name):
    field = FLAGS[name]
    if field.metadata["remote"]:
        path = command_flags.path(field, "s3://bucket/x")
        assert addresses.address_of(path) == "s3://bucket/x"
        with pytest.raises(ValueError, match="two slashes"):
            command_flags.path(field, "s3:/bucket/x")
    else:
        for typed in ("s3://bucket/x", "s3:/bucket/x"):
            with pytest.raises(ValueError, match="of this machine was expected, not an address"):
                command_flags.path(field, typed)


@pytest.mark.parametrize("flag", ["workdir", "output_dir"])
def test_it_is_one_line_of_the_command(flag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "train" if flag == "workdir" else "inspect"
    refused = digitline(command, f"--{flag}=s3:/bucket/x")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert f"--{flag}=s3:/bucket/x: " in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_the_line_take_addresses():
    for options, flag in [
        ("Request", "data_dir"),
        ("Request", "source_dir"),
        ("TrainOptions", "data_dir"),
        ("EvaluateOptions", "data_dir"),
        ("InspectOptions", "data_dir"),
        ("ListOptions", "export_dir"),
    ]:
        assert FLAGS[f"{options} --{flag}"].metadata["remote"]
