"""What the workers of a cluster tell one another while they train: sums, orders, state.

The first worker, the chief, decides all that depends on time, on validations or on the disk, and
tells the others; each of them tells the signals that it got. Everything goes through the
strategy's own sums over all workers, so that it comes in the same order everywhere.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ....base.errors import UserError, first_line
from ....base.tf import tf
from ..interrupts import SIGNALS, Interrupts

# What TensorFlow says where a worker is gone: of a sum over all workers, or of its heartbeat.
_LOST = re.compile(r"collective|coordination|heartbeat|/job:worker|remote host", re.IGNORECASE)
# Between two looks whether all are ready for a step.
_READY_S = 0.02
_TASK = re.compile(r"/job:worker/(?:replica:\d+/)?task:(\d+)")


class Orders(NamedTuple):
    """How many steps all workers do next; with none, whether a signal stopped them."""

    steps: int
    stopped: bool


class Workers:
    """One worker among those of a cluster; a process on its own is a cluster of one.

    Args:
      strategy: of the cluster.
      count: how many workers there are.
      index: of this one; 0 is the chief.
    """

    def __init__(self, strategy: tf.distribute.Strategy, count: int = 1, index: int = 0):
        self.count, self.index = count, index
        self._sum = tf.function(
            lambda values: strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)
        )

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def agree_on(self, steps: int, interrupts: Interrupts, ready: Callable[[], int]) -> Orders:
        """What all do next: as many steps as the chief says; none once a signal came anywhere.

        It waits until one step at least is ready everywhere, and does no more than are.

        Args:
          steps: what the chief says; 0 at the end.
          interrupts: of this worker; a signal that came elsewhere is noted.
          ready: how many steps this worker can do now.
        """
        while True:
            came = [float(interrupts.number == number) for number in SIGNALS]
            steps_here = np.zeros(self.count)
            steps_here[self.index] = ready()
            said = self._total(np.array([steps if self.is_chief else 0, *came, *steps_here]))
            wanted, signals, at_each = np.split(said, [1, 1 + len(SIGNALS)])
            for number, times in zip(SIGNALS, signals, strict=True):
                if times and interrupts.number is None:
                    interrupts.number = number
            stopped = bool(wanted[0] > 0 and any(signals))
            next_steps = int(min(wanted[0], *at_each))
            if stopped or not wanted[0] or next_steps:
                return Orders(0 if stopped else next_steps, stopped)
            time.sleep(_READY_S)

    def text_of_chief(self, text: str = "") -> str:
        """What the chief says, at all workers."""
        said = np.frombuffer(text.encode(), np.uint8) if self.is_chief else np.zeros(0, np.uint8)
        length = int(self._total(np.array([len(said)]))[0])
        if not length:  # TensorFlow crashes on a sum of nothing.
            return ""
        content = said if self.is_chief else np.zeros(length)
        return self._total(content.astype(np.int64)).astype(np.uint8).tobytes().decode()

    def take_over(self, variables: Sequence[tf.Variable]) -> None:
        """Gives the variables the values that they have at the chief, exactly."""
        if self.count == 1:
            return
        for kind in {variable.dtype for variable in variables}:
            same = [variable for variable in variables if variable.dtype == kind]
            wide = kind.as_numpy_dtype if kind.is_floating else np.int64
            # Zeros but for the chief's: the sum is the chief's.
            flat = np.concatenate([variable.numpy().ravel() for variable in same]).astype(wide)
            flat = self._total(flat if self.is_chief else np.zeros_like(flat))
            ends = np.cumsum([tf.size(variable) for variable in same])
            for variable, value in zip(same, np.split(flat, ends[:-1]), strict=True):
                variable.assign(tf.cast(tf.reshape(value, variable.shape), kind))

    def _total(self, values: np.ndarray) -> np.ndarray:
        """The sum over all workers: [n] of numbers."""
        if self.count == 1:
            return values
        of_any_length = tf.TensorSpec([None], tf.as_dtype(values.dtype))
        return self._sum.get_concrete_function(of_any_length)(tf.constant(values)).numpy()

    @contextlib.contextmanager
    def present(self) -> Iterator[None]:
        """While the block lasts, a worker that is gone is a `UserError` that names it."""
        try:
            yield
        except tf.errors.OpError as error:
            if self.count == 1 or not _LOST.search(str(error)):
                raise
            task = _TASK.search(str(error))
            number = task[1] if task else ""
            chief = " (the chief)" if number == "0" else ""
            who = f"worker {number}{chief}" if number else "a worker"
            raise UserError(
                f"{who} of {self.count} has ended or cannot be reached ({first_line(error)}): "
                f"worker {self.index} ends too; the same command on all workers goes on from the "
                "last checkpoint"
            ) from error
