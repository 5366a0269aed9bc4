"""Which calls of a model are done on the event loop: a thread and the way back take longer.

Only those that are known to be quick: of small inputs without strings, of a model whose time
depends on their shapes only, as far as its last calls with such inputs have shown.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

# Takes inputs by name and the names of outputs.
Call = Callable[[Mapping[str, np.ndarray], Sequence[str]], list[np.ndarray]]
# Makes the call of a signature that takes only the thread that calls it; None where its time
# may depend on values.
Compile = Callable[[str], Call | None]

# Processor time of a call that is quick: a thread and the way back cost the event loop as much.
_QUICK_S = 0.0003
# Seconds that a call takes at most if it may be quick, first by threads and then on one; and on the
# event loop. They are several times as many, since a call waits for the processor too.
_MAYBE_S, _ON_ONE_S, _LONG_S = 0.05, 0.003, 0.005
_LOOKED_AT = 16  # Calls on one thread. The quickest is what the model takes.
_MOST_BYTES = 32 << 10
_MOST_KINDS = 64  # Shapes that a hostile client makes up have no end.


class Kind:
    """Calls of one signature with inputs of the same shapes.

    Attributes:
      call: does them in place; None where threads do them.
    """

    def __init__(self, signature: str, compiled: Compile):
        """Nothing is known of them yet."""
        self.call: Call | None = None
        self._signature, self._compiled = signature, compiled
        self._tried: Call | None = None  # What may be done in place, as threads do it.
        self._is_quick = True  # As far as is known.
        self._begin()

    def _begin(self) -> None:
        self._work = self._seconds = math.inf
        self._left = _LOOKED_AT

    def by_thread(
        self, call: Call, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        """Does a call in a thread; by `call`, or as it is done in place, to see how long it takes.

        Processor time counts: on a busy machine all calls take long.
        """
        tried = self._tried if self._is_quick else None
        worked, started = time.thread_time(), time.perf_counter()
        result = (tried or call)(inputs, outputs)
        seconds = time.perf_counter() - started
        if tried is not None:
            self._look(tried, time.thread_time() - worked, seconds)
        elif self._is_quick and seconds < _MAYBE_S:
            self._tried = self._compiled(self._signature)  # It takes its time.
            self._is_quick = self._tried is not None
        return result

    def _look(self, tried: Call, work: float, seconds: float) -> None:
        self._work, self._seconds = min(self._work, work), min(self._seconds, seconds)
        self._left -= 1
        if self._left <= 0:
            self._is_quick = self._work < _QUICK_S
            if self._is_quick and self._seconds < _ON_ONE_S:
                self.call = tried
            self._begin()

    def run(
        self, call: Call, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        """Does a call in place. If it takes long, threads do the next ones."""
        worked, started = time.thread_time(), time.perf_counter()
        try:
            return call(inputs, outputs)
        finally:
            if time.perf_counter() - started > _LONG_S:
                self.call = None
                if time.thread_time() - worked > _LONG_S:  # Else it waited for the processor.
                    self._is_quick = False


class Kinds:
    """The kinds of calls of a servable. For the event loop."""

    def __init__(self, compiled: Compile):
        """There are none yet."""
        self._compiled = compiled
        self._kinds: dict[tuple[object, ...], Kind] = {}

    def of(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Kind | None:
        """The kind of a call; None of one that is never done in place."""
        arrays = inputs.values()
        if sum([array.nbytes for array in arrays]) > _MOST_BYTES:
            return None
        if any(array.dtype == object for array in arrays):
            return None
        key = signature, *[(name, array.shape) for name, array in inputs.items()]
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = Kind(signature, self._compiled)
        return kind
