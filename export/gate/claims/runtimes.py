"""Each artifact in each runtime: it runs and agrees, or refuses; one that disagrees is refused."""

import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ....serving.artifacts import Outputs
from ...formats.artifact import Artifact
from ...runtimes import host, process
from ...runtimes.catalog import Chosen
from ...runtimes.process import Job, Outcome
from ...runtimes.ran import Ran
from ..calls import of_probabilities
from ..comparison import compare, require_agreement
from ..reference import Question, Reference

# Images of the split, evenly spaced, and as many blends.
_IMAGES = 150
# Processes at once.
_WORKERS = 2
_ADAPTERS = f"{process.__name__.rpartition('.')[0]}.adapters"


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
        np.save(images, self._question.images)
        pool = concurrent.futures.ThreadPoolExecutor(_WORKERS)
        self._here: list[tuple[Chosen, Artifact, Job]] = []
        self._elsewhere = []
        for number, each in enumerate(chosen):
            jobs = [
                (each, artifact, self._job(each, artifact, path, folder / f"{number}_{index}.npz"))
                for version, listed in artifacts.items()
                for index, artifact in enumerate(listed)
                for path in (version / artifact.path,)
                if artifact.format == each.runtime.reads
            ]
            if each.runtime.in_verifier and each.python is None:
                self._here += jobs
            else:
                asked = [job for *_, job in jobs]
                self._elsewhere.append((jobs, pool.submit(host.run, asked, images, each.python)))
        pool.shutdown(wait=False)

    def results(self) -> tuple[Ran, ...]:
        """Waits for all.

        Raises:
          VerificationError: a runtime gives other answers than the trained model; names the
            artifact, the runtime and the numbers.
        """
        made = [
            self._result(
                each, artifact, job, process.outcome(job, self._question.images, _ADAPTERS)
            )
            for each, artifact, job in self._here
        ]
        for jobs, future in self._elsewhere:
            for (each, artifact, job), outcome in zip(jobs, future.result(), strict=True):
                made.append(self._result(each, artifact, job, outcome))
        return tuple(made)

    def _job(self, chosen: Chosen, artifact: Artifact, path: Path, answer: Path) -> Job:
        trained, image = self._reference.trained, artifact.signatures[0].input
        number, height, width, channels = image.sizes(
            trained.image_shape, len(trained.label_names), artifact.batch_size
        )
        assert height is not None
        assert width is not None
        assert channels is not None
        shape = (number or 0, height, width, channels)
        return Job(chosen.name, str(path), image.dtype, shape, str(answer))

    def _result(self, chosen: Chosen, artifact: Artifact, job: Job, outcome: Outcome) -> Ran:
        runtime = " ".join(filter(None, (chosen.runtime.title, outcome.version)))
        images = len(self._question.images)
        if outcome.refusal is not None:
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
    chosen = np.unique(np.linspace(0, len(split.images) - 1, _IMAGES).astype(int))
    pictures, answers = (
        np.concatenate([ours[chosen], theirs[:_IMAGES]])
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
