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

# Seconds of the event loop that a thread and the way back take; and more than a quick call does.
_QUICK_S, _LONG_S = 0.0003, 0.005
_LOOKED_AT = 16  # Calls by threads. The quickest is what the model takes when it waits for nothing.
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
        self._least, self._left = math.inf, float(_LOOKED_AT)

    def tell(self, seconds: float) -> None:
        """What a call by a thread took; in that thread. May take long."""
        self._least = min(self._least, seconds)
        self._left -= 1
        if self._left <= 0:
            if self._least < _QUICK_S:
                self.call = self._compiled(self._signature)
            self._least, self._left = math.inf, _LOOKED_AT

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
                    self._left = math.inf


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
