"""What is fuzzed: a family of files, what of the product reads one, and how one is made."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

from . import damage


@dataclasses.dataclass(frozen=True)
class Target:
    """A family of files.

    Attributes:
      file: how a file of it is called; some readers go by the name.
      readers: what reads the file at a path, each as the product does, whole.
      seeds: sound files, which every reader takes.
      build: a file made by chance: of the right form for the most part, with odd parts.
      mend: makes the checksums in a file right, so that readers look behind them.
      examples: how many files `make test` tries.
      largest: bytes of a file.
      patches: bounds of the product that are lower here, for speed: object, name, value.
    """

    file: str
    readers: tuple[Callable[[Path], object], ...]
    seeds: Callable[[], list[bytes]]
    build: Callable[[random.Random], bytes]
    mend: Callable[[bytes], bytes] = bytes
    examples: int = 40
    largest: int = 4096
    patches: tuple[tuple[object, str, object], ...] = ()

    def made(self, chance: random.Random) -> bytes:
        """A file by chance, perhaps damaged, perhaps with its checksums right again."""
        data = damage.damaged(chance, self.build(chance))
        return self.mend(data) if chance.random() < 0.7 else data
