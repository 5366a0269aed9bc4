"""What several tests call."""

import contextlib
import json
import resource
import socket
import struct
import subprocess
import sys
from pathlib import Path

from digitline.base import command as commands

TESTDATA = Path(__file__).parent / "testdata"
DATASET = "tiny_digits"


def call(command, arguments):
    """What a command prints with --json, run in this process."""
    return command.to_json(commands.call(command, [str(each) for each in arguments]))


def digitline(*arguments, cwd=None, timeout=300, **options):
    """Runs the command line in a process of its own, as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "digitline.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        check=False,
        **options,
    )


def python(code, *arguments, cwd, timeout=300, **options):
    """Runs Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        check=False,
        **options,
    )


def perform(command, arguments):
    """Runs a command in this process; what the file system refuses is a `UserError` too."""
    command.flags.unparse_flags()
    command.flags([command.name, *map(str, arguments)])
    return commands.perform(command, command.options(command.flags, []))


@contextlib.contextmanager
def full_disk(size):
    """As if the disk had room for no file of more than this many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def idx_bytes(array):
    """The content of an IDX file of images (uint8 [N, H, W]) or labels (uint8 [N])."""
    magic = 2048 + array.ndim
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


def export(run, export_dir, *more):
    """Exports a float32 TFLite file; 60 test images are enough for the gate.

    A SavedModel takes the gate seven times as long.
    """
    from digitline.export import exporter

    arguments = [
        f"--workdir={run.workdir}",
        f"--export_dir={export_dir}",
        "--formats=tflite",
        "--tflite_variants=float32",
        "--split=test[:60]",
        "--runtimes=none",
    ]
    return call(exporter.COMMAND, [*arguments, *more])


def train_arguments(data_dir, workdir, *more):
    """Flags of a short training on the tiny dataset, whatever the best recipe is."""
    return [
        "--recipe=article",
        "--learning_rate=3e-3",
        "--schedule=cosine",
        "--warmup=0.1",
        "--mean=0.1307",
        "--std=0.3081",
        f"--data_dir={data_dir}",
        f"--dataset={DATASET}",
        f"--workdir={workdir}",
        "--epochs=3",
        "--noreport",
        *more,
    ]


def quick_arguments(data_dir, workdir, *more):
    """The same with softmax regression, which is traced and trained in a second."""
    return train_arguments(
        data_dir, workdir, "--model=softmax", "--batch_size=100", "--optimizer=adam", *more
    )


def damage(data_dir, split, *records):
    """Flips a byte in some records of the second shard of a split; returns the shard's path."""
    shard = next(data_dir.glob(f"{DATASET}/*/*-{split}.tfrecord-00001-*"))
    content = bytearray(shard.read_bytes())
    size = len(content) // {"train": 400, "test": 100}[split]
    for record in records:
        content[record * size + 100] ^= 0xFF
    shard.write_bytes(content)
    return shard


def flip(path, place=5000):
    """Turns a bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def edit(path, change=lambda content: None):
    """Changes a JSON file of ours, which has no seal then, as those of the last release."""
    content = json.loads(path.read_text())
    content.pop("digest", None)
    change(content)
    path.write_text(json.dumps(content))


def unsealed_dataset(data_dir, name=DATASET):
    """Makes a dataset one of the last release, which did not record what its files were."""
    (path,) = data_dir.glob(f"{name}/*/metadata.json")
    edit(path, lambda content: content.pop("files"))
    return data_dir


def free_port():
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
