"""Commands whose disk fails them: no room, no rights, a folder that goes; or a clock that is wrong.

A command has to end with one line that says which file and what is wrong, and to leave nothing half
written; when the trouble is over, the same command has to finish.
"""

import contextlib
import dataclasses
import errno
import functools
import os
import random
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from forks import Ended
from kills import shim, verifying, views
from kills.harness import Stage
from kills.shim import Kill

ERRORS = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EIO")
_FOLDERS = ("data", "run", "exports")
_TEMPORARY = re.compile(r"\.digitline-tmp-\d+-")
# Bytes of the largest file, and how many files may be open; what is printed goes to a file too.
_SIZES, _FILES = (20_000, 60_000, 200_000), (10, 14, 20, 30)
# Bytes that are free on a small disk, and how large it is.
_ROOMS, _DISK = (0, 4_096, 50_000, 500_000, 2_000_000), 100 << 20
# What a disk is called in the system's list, before the number of the process that made it.
_NAME, _MOUNTS = "digitline-disk-", Path("/proc/mounts")
# To 1970, to before the first year of zip files, to the next century.
_CLOCKS = (-1_790_000_000, -1_500_000_000, 2_500_000_000)


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What becomes of a command.

    Attributes:
      number: of the call that changes a file from which on it is so, from 1; 0 from the start.
      error: the name of the error by which such calls fail.
      lost: the folder that is moved away at the call.
      room: how many bytes are free, on a `small_disk`; None for all.
      limit: the name of a limit of the system, and how much it is.
      clock: by how many seconds the clock is ahead; at every other look where it `jumps`.
    """

    number: int = 0
    error: str = ""
    lost: str = ""
    room: int | None = None
    limit: tuple[str, int] | None = None
    clock: int = 0
    jumps: bool = False

    def __str__(self) -> str:
        stated = {name: value for name, value in vars(self).items() if value or name == "room"}
        return " ".join(f"{name}={value}" for name, value in stated.items())


def begin(trouble: Trouble, folder: str) -> None:
    """Lets it come over this process, which is to work in a folder."""
    verifying.use()
    shim.arm(Kill(trouble.number), folder)
    if trouble.error:
        shim.fail(getattr(errno, trouble.error))
    if trouble.lost:
        shim.lose(f"{folder}/{trouble.lost}", f"{folder}.aside")
    if trouble.limit:
        which = getattr(resource, trouble.limit[0])
        resource.setrlimit(which, (trouble.limit[1], resource.getrlimit(which)[1]))
    if trouble.clock:
        shim.set_clock(trouble.clock, trouble.jumps)


def troubles(stage: Stage) -> list[Trouble]:
    """All that a stage's command is tried with, in no order that means anything."""
    numbers = sorted({kill.number for kill in stage.kills()})
    found = [Trouble(number, error=error) for number in numbers for error in ERRORS]
    folders = [name for name in _FOLDERS if (stage.work / name).is_dir()]
    found += [Trouble(number, lost=folder) for number in numbers for folder in folders]
    found += [Trouble(limit=("RLIMIT_FSIZE", size)) for size in _SIZES]
    found += [Trouble(limit=("RLIMIT_NOFILE", files)) for files in _FILES]
    if stage.work.parent.is_mount():
        found += [Trouble(room=room) for room in _ROOMS]
    found += [Trouble(clock=clock) for clock in _CLOCKS]
    return [*found, Trouble(clock=-7200, jumps=True), Trouble(clock=7200, jumps=True)]


def kind(trouble: Trouble) -> str:
    """What it is, in a word."""
    if trouble.room is not None:
        return "full"
    lost = f"lost {trouble.lost}" if trouble.lost else ""
    return trouble.error or lost or (trouble.limit[0] if trouble.limit else "clock")


def sample(stage: Stage, count: int, seed: object) -> list[Trouble]:
    """Some of them: of each kind alike, since most are of calls that fail."""
    kinds: dict[str, list[Trouble]] = {}
    for trouble in troubles(stage):
        kinds.setdefault(kind(trouble), []).append(trouble)
    chance = random.Random(seed)
    order = [chance.sample(found, len(found)) for found in kinds.values()]
    chance.shuffle(order)
    return [found[depth] for depth in range(count) for found in order if depth < len(found)][:count]


def attempt(stage: Stage, trouble: Trouble) -> list[str]:
    """Runs a stage's command in trouble, and again when it is over; returns what is wrong."""
    stage.restore()
    aside = Path(f"{stage.work}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    with _filled(stage.work.with_name("ballast"), trouble.room):
        ended = stage.run(stage.scene.words, functools.partial(begin, trouble, str(stage.work)))
    wrong = [*_how_it_ended(stage, trouble, ended), *views.cut(stage.work)]
    if not aside.exists():
        wrong += stage.scene.promise(stage.work, stage.before)
    elif (stage.start / trouble.lost).exists():  # Else the command makes it.
        place = stage.work / trouble.lost
        shutil.rmtree(place, ignore_errors=True)
        aside.rename(place)
    return [*wrong, *stage.finish()]


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Makes a folder a disk of its own while the block lasts; gives whether this user may.

    Those of processes that were killed go first, with their folders.
    """
    _remove_left_disks()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", f"{_NAME}{os.getpid()}", folder]
    is_one = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_one
    finally:
        if is_one:
            subprocess.run(["umount", "--lazy", folder], check=True)


def _remove_left_disks() -> None:
    for line in _MOUNTS.read_text().splitlines() if _MOUNTS.exists() else ():
        name, place, *_ = line.split()
        if name.startswith(_NAME) and not Path("/proc", name.removeprefix(_NAME)).exists():
            folder = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), place)
            subprocess.run(["umount", "--lazy", folder], check=False)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _filled(ballast: Path, room: int | None) -> Iterator[None]:
    """While the block lasts, a file leaves only so many bytes of its disk free."""
    if room is None:
        yield
        return
    with open(ballast, "wb") as file:
        disk = os.statvfs(ballast)
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - room)
    try:
        yield
    finally:
        ballast.unlink()


def _how_it_ended(stage: Stage, trouble: Trouble, ended: Ended) -> Iterator[str]:
    errors = [line for line in ended.err.splitlines() if ": error: " in line]
    if ended.late:
        yield "it did not end"
    elif ended.status < 0 or "Traceback" in ended.err:
        yield f"status {ended.status}: {ended.err[-1500:]}"
    elif ended.status == 0:
        is_done = trouble.lost or stage.scene.result(stage.work) == stage.after
        if not is_done and "note: " not in ended.err:
            yield f"status 0, but not all is there: {ended.err[-500:]}"
    elif ended.status != 1 or len(errors) != 1:
        yield f"status {ended.status}, {len(errors)} errors: {ended.err[-1500:]}"
    elif not _says(stage, trouble, errors[0]):
        yield f"does not say which file, or what is wrong: {errors[0]}"


def _says(stage: Stage, trouble: Trouble, line: str) -> bool:
    """Whether a message names a file that the command changes, or its folder, and the trouble."""
    error = "ENOSPC" if trouble.room is not None else trouble.error
    if error and os.strerror(getattr(errno, error)) not in line:
        return False
    if trouble.limit and trouble.limit[0] == "RLIMIT_NOFILE":
        return "Too many open files" in line
    ends = r"[:;,/'\"]"
    if trouble.lost in line.split():
        return True
    return any(
        re.search(rf"(^|[\s/'\"]){re.escape(name)}{ends}", line)
        for name in [*_names(stage), trouble.lost]
        if name
    )


def _names(stage: Stage) -> Sequence[str]:
    """The files that a command changes, and their folders, as messages have them."""
    paths = {Path(_TEMPORARY.sub("", call.path).lstrip("/")) for call in stage.calls}
    folders = {folder for path in paths for folder in path.parents}
    return sorted({str(path) for path in paths | folders} - {".", ""})


def write_in_trouble(trouble: Trouble, folder: str, text: str) -> None:
    """Opens `file` in a folder, and writes a text twice: three calls."""
    begin(trouble, folder)
    with open(Path(folder, "file"), "wb") as file:
        for _ in range(2):
            file.write(text.encode())
            file.flush()
