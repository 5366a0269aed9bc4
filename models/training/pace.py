"""How many steps one graph call does: many, but not so many that nobody can break in."""

# What a call is to take, in seconds.
_TARGET_S = 0.5
_FIRST, _MOST = 5, 1000


class Pace:
    """Steps of the next call, by how long the last ones took.

    Weights do not depend on it: steps are the same however they are cut.
    """

    def __init__(self) -> None:
        self._steps = _FIRST
        self._calls = 0

    @property
    def steps(self) -> int:
        """For the next call, at most."""
        return self._steps

    def took(self, steps: int, seconds: float) -> None:
        """Learns how long a call took."""
        self._calls += 1
        if self._calls == 1:  # It traced the graph too.
            return
        wanted = steps * _TARGET_S / max(seconds, 1e-6)
        self._steps = max(1, min(int(wanted), 2 * self._steps, _MOST))
