"""Each artifact in each runtime: it runs and agrees, or refuses; one that disagrees is refused."""

import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ....base import files, refused
from ....base.errors import UserError
from ....base.process.quiet import quiet_stderr
from ....serving.artifacts import Outputs
from ...formats.artifact import Artifact
from ...runtimes import host, process
from ...runtimes.catalog import Chosen
from ...runtimes.process import Job, Outcome
from ...runtimes.ran import Ran
from ..calls import of_probabilities
from ..compare import compare
from ..comparison import require_agreement
from ..reference import Question, Reference

# Images of the split, evenly spaced, and as many blends; of large ones fewer, by their pixels: some
# runtimes take a second for one.
_MOST, _LEAST, _PIXELS = 150, 12, 150 * 64 * 64
# Processes at once.
_WORKERS = 2
_ADAPTERS = f"{process.__name__.rpartition('.')[0]}.adapters"


class _Asked(NamedTuple):
    """What a runtime was asked; `running` is None where this process is to do it."""

    chosen: Chosen
    work: list[tuple[Artifact, Job]]
    running: concurrent.futures.Future[list[Outcome]] | None


class Runs:
    """Artifacts in runtimes, while other claims are checked.

    Args:
      chosen: the runtimes.
      artifacts: to run, by the folder of the version.
      reference: the trained model's answers.
      folder: for what goes to the processes and comes from them; made.
    """

    def __init__(
        self,
        chosen: Sequence[Chosen],
        artifacts: Mapping[Path, Sequence[Artifact]],
        reference: Reference,
        folder: Path,
    ):
        self._reference, self._question = reference, _question(reference)
        folder.mkdir()
        images = folder / "images.npy"
        with files.naming(images):
            np.save(images, self._question.images)
        pool = concurrent.futures.ThreadPoolExecutor(_WORKERS)
        self._asked: list[_Asked] = []
        for number, each in enumerate(chosen):
            work = [
                (artifact, self._job(each, artifact, version, folder / f"{number}_{index}.npz"))
                for version, listed in artifacts.items()
                for index, artifact in enumerate(listed)
                if artifact.format == each.runtime.reads
            ]
            is_here = each.runtime.in_verifier and each.python is None
            jobs = [job for _, job in work]
            running = None if is_here else pool.submit(host.run, jobs, images, each.python)
            self._asked.append(_Asked(each, work, running))
        pool.shutdown(wait=False)

    def results(self) -> tuple[Ran, ...]:
        """Waits for all.

        Raises:
          VerificationError: a runtime gives other answers than the trained model; names the
            artifact, the runtime and the numbers.
          UserError: it had no room, or no more files: that is no refusal of the artifact.
        """
        made = []
        for asked in self._asked:
            if asked.running:
                outcomes = asked.running.result()
            else:
                with quiet_stderr():
                    outcomes = [
                        process.outcome(job, self._question.images, _ADAPTERS)
                        for _, job in asked.work
                    ]
            versions = [outcome.version for outcome in outcomes if outcome.version]
            runtime = " ".join((asked.chosen.runtime.title, *versions[:1]))
            for (artifact, job), outcome in zip(asked.work, outcomes, strict=True):
                made.append(self._result(runtime, artifact, job, outcome))
        return tuple(made)

    def _job(self, chosen: Chosen, artifact: Artifact, version: Path, answer: Path) -> Job:
        trained, image = self._reference.trained, artifact.signatures[0].input
        number, height, width, channels = image.sizes(
            trained.image_shape, len(trained.label_names), artifact.batch_size
        )
        assert height is not None
        assert width is not None
        assert channels is not None
        shape = (number or 0, height, width, channels)
        path = version / artifact.path
        return Job(chosen.name, str(path), image.dtype, shape, str(answer))

    def _result(self, runtime: str, artifact: Artifact, job: Job, outcome: Outcome) -> Ran:
        images = len(self._question.images)
        if outcome.refusal is not None:
            if trouble := refused.said_of_the_machine(outcome.refusal):
                raise UserError(f"{Path(job.answer).parent}: {runtime}: {trouble}")
            return Ran(runtime, artifact.title, outcome.refusal, images)
        limits = artifact.limits
        comparison = compare(
            f"{artifact.title} in {runtime}",
            artifact.signatures[0].name,
            _outputs(Path(job.answer)),
            self._question,
            limits and dataclasses.replace(limits, accuracy=1.0),
        )
        require_agreement(comparison, "; --runtimes names those that it is to run in")
        return Ran(
            runtime,
            artifact.title,
            None,
            images,
            comparison.agreement,
            comparison.max_difference,
        )


def _question(reference: Reference) -> Question:
    """Images of the split and blends, which have no true class: the model's counts."""
    split, blends = reference.split, reference.blends
    height, width, _ = reference.trained.image_shape
    count = max(_LEAST, min(_MOST, _PIXELS // (height * width)))
    chosen = np.unique(np.linspace(0, len(split.images) - 1, count).astype(int))
    pictures, answers = (
        np.concatenate([ours[chosen], theirs[:count]])
        for ours, theirs in (
            (split.images, blends.images),
            (split.probabilities, blends.probabilities),
        )
    )
    return Question("images and blends", pictures, answers.argmax(axis=1), answers)


def _outputs(path: Path) -> Outputs:
    with np.load(path) as arrays:
        outputs = dict(arrays)
    return {**of_probabilities(outputs["probabilities"]), **outputs}
