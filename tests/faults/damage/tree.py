"""What is damaged: a dataset, finished and unfinished runs, exports, in a folder of its own.

They are made once, and copied for each trial to the same place, since they name it.
"""

import functools
import gzip
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from digitline.base import export_layout
from digitline.base.storage import records
from digitline.data.sources import idx
from digitline.models.run.metrics_file import MetricsFile
from digitline.serving.prediction.model import BOXED

import forks
from support import DATASET, TESTDATA, idx_bytes

DATA = f"data/{DATASET}/1.0.0"
BOX = "exports/tflite/tiny/1"
TRAIN = (
    "train", "--model=softmax", "--recipe=article", f"--dataset={DATASET}", "--data_dir=data",
    "--epochs=2", "--batch_size=100", "--log_steps=4", "--select=best",
    "--checkpoint_interval_s=0", "--noreport", "--json",
)  # fmt: skip
BEGUN = (*TRAIN, "--workdir=runs/begun", "--cache=file")
DONE = (*TRAIN, "--workdir=runs/done")
PREPARE = (
    "prepare", f"--dataset={DATASET}", "--digits", "--validation_fraction=0", "--num_shards=3",
    "--json",
)  # fmt: skip
BOARDS = (
    "report", "--workdir=runs/other", "--split=test[:50]", "--tensorboard", "--json",
)  # fmt: skip
EXPORT = (
    "export", "--workdir=runs/done", "--split=test[:60]", "--runtimes=none",
    "--tflite_variants=float32", "--json",
)  # fmt: skip
# Of a server, by their names.
CONFIGS = {
    "models.config": f"""model_config_list {{
      config {{ name: "tiny" base_path: "{Path(BOX).parent}" model_platform: "tflite" }}
    }}""",
    "batching.config": "max_batch_size { value: 8 } batch_timeout_micros { value: 100 }",
    "monitoring.config": 'prometheus_config { enable: true path: "/metrics" }',
}


def stop_after(rows: int) -> None:
    """Lets a training end by SIGTERM, which saves its state, when this many rows are logged."""
    append, count = MetricsFile.append, iter(range(1, rows + 1))

    def append_and_stop(self: MetricsFile, row: object) -> None:
        append(self, row)
        if next(count, None) == rows:
            os.kill(os.getpid(), signal.SIGTERM)

    MetricsFile.append = append_and_stop


class Tree:
    """The folder `work` below another one, and how it was when nothing was damaged.

    Args:
      root: an empty folder.
      run: runs a command, as `forks.run`.
      trained: makes runs too, which take their time.
      whole: makes a SavedModel of one too.
    """

    def __init__(
        self,
        root: Path,
        run: Callable[..., forks.Ended] = forks.run,
        trained: bool = True,
        whole: bool = False,
    ):
        self.work, self._sound, self._run = root / "work", root / "sound", run
        self.trained = trained
        self.work.mkdir()
        (self.work / "picture.png").parent.mkdir(exist_ok=True)
        image = idx.read_images(TESTDATA / "t10k-images-idx3-ubyte.gz")[0]
        PIL.Image.fromarray(image).save(self.work / "picture.png")
        shutil.copytree(TESTDATA, root / "source", ignore=shutil.ignore_patterns("old_run", "p*"))
        other = shutil.copytree(root / "source", root / "other_source")
        for path in other.glob("*labels*"):  # Another dataset of the same size.
            labels = (idx.read_labels(path) + 1) % 10
            path.write_bytes(gzip.compress(idx_bytes(labels.astype(np.uint8))))
        self._make(*PREPARE, "--source_dir=../source", "--data_dir=data")
        self._make(*PREPARE, "--source_dir=../other_source", "--data_dir=other_data")
        if trained:
            self._make(*DONE)
            self._make(*TRAIN, "--workdir=runs/other", "--seed=1")
            self._make(*BEGUN, before=functools.partial(stop_after, 4), status=143)
        box = self.work / BOX
        shutil.copytree(BOXED, box)
        manifest = export_layout.manifest_of(box)  # As this version writes it.
        records.write(manifest, records.read_object(manifest))
        for name, words in CONFIGS.items():
            (self.work / name).write_text(words)
        if whole:
            self._make(*EXPORT, "--export_dir=exports")
            self._make(*BOARDS)
        shutil.copytree(self.work, self._sound, symlinks=True)

    def _make(self, *words: str, status: int = 0, **how: Callable[[], object]) -> None:
        ended = self._run(words, folder=self.work, **how)
        assert ended.status == status, ended.err

    def restore(self) -> None:
        """Makes everything sound again."""
        shutil.rmtree(self.work)
        shutil.copytree(self._sound, self.work, symlinks=True)

    def files(self, patterns: tuple[str, ...]) -> list[str]:
        """The files that some patterns find, by their paths from the folder."""
        paths = {path for pattern in patterns for path in self._sound.glob(pattern)}
        return sorted(str(path.relative_to(self._sound)) for path in paths if path.is_file())

    def other(self, name: str) -> Path | None:
        """The same file of another run or dataset; None where there is none."""
        parts = name.split("/")
        if parts[0] == "data":
            path = self._sound.joinpath("other_data", *parts[1:])
        elif parts[0] == "runs":
            path = self._sound.joinpath("runs", "other", *parts[2:])
        else:
            return None
        return path if path.is_file() else None
