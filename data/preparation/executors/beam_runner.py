"""The runners of Apache Beam: found by a short name, with their flags, before a file is read."""

import contextlib
import dataclasses
import importlib.util
import logging
import os
import pkgutil
import shlex
from collections.abc import Iterator
from typing import Any

from .... import __version__
from ....base import progress
from ....base.command_flags import nearest
from ....base.errors import UsageError, UserError, first_line

# Beam has no name of its own for Dask's.
_DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
_SHORT_NAMES = {
    "dask": _DASK,
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "dataflow": "DataflowRunner",
    "direct": "DirectRunner",
    "local": "DirectRunner",
}
# Dask's runner makes one task of 128 slices, for one worker, unless a flag says otherwise.
_PARTS = ("--dask_npartitions", "--dask_partition_size")


@dataclasses.dataclass(frozen=True)
class Runner:
    """A runner of Beam: the name by which Beam finds it, and its flags."""

    name: str
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return self.name.rpartition(".")[2]

    @contextlib.contextmanager
    def pipeline(self) -> Iterator[Any]:
        """A pipeline to fill in the block, at whose end it is run."""
        from apache_beam import Pipeline
        from apache_beam.options.pipeline_options import PipelineOptions

        pipeline = Pipeline(runner=self.name, options=PipelineOptions(list(self.flags)))
        try:
            with pipeline:
                yield pipeline
        finally:  # Dask's runner leaves its client connected.
            client = getattr(getattr(pipeline, "result", None), "client", None)
            if client is not None:
                client.close()


def find(name: str, options: str) -> Runner:
    """A runner by a short name, Beam's name or that of its class; its flags are one string.

    Raises:
      UsageError: there is no such runner, or its flags are wrong.
      UserError: something is not installed, or Dask's scheduler does not answer.
    """
    beam = _import_beam()
    full_name = _SHORT_NAMES.get(name.lower().removesuffix("runner"), name)
    known = beam.options.pipeline_options.StandardOptions.KNOWN_RUNNER_NAMES
    if full_name not in known and "." not in full_name:
        raise UsageError(
            f"--beam_runner={name}: expected {', '.join(_SHORT_NAMES)}, or the name of a class of "
            f"Beam's{nearest(name, (*_SHORT_NAMES, *known))}"
        )
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise UsageError(f"--beam_options={options}: {error}") from None
    # A flag may lack its dashes; a word without "=" is the value of the one before it.
    flags = [f"--{word}" if "=" in word and word[0] != "-" else word for word in words]
    if full_name == _DASK:
        _look_at_dask(flags)
        flags += [f"{_PARTS[1]}=1"] * (not any(flag.startswith(_PARTS) for flag in flags))
    try:
        beam.runners.runner.create_runner(full_name)
    except (AttributeError, ImportError, ValueError) as error:
        raise UsageError(f"--beam_runner={name}: {first_line(error)}") from error
    return Runner(full_name, tuple(flags))


def _import_beam() -> Any:
    logging.disable(logging.WARNING)  # It warns of Google's libraries, which nobody needs here.
    try:
        import apache_beam

        return apache_beam
    except ImportError:
        raise UserError(
            "--beam_runner needs Apache Beam, which is not installed: pip install 'digitline[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)


def _look_at_dask(flags: list[str]) -> None:
    """Asks Dask's scheduler for its workers, and says how many there are.

    Raises:
      UsageError: no flag says where it is.
      UserError: Dask is not installed, or the scheduler does not answer.
    """
    if importlib.util.find_spec("distributed") is None:
        raise UserError("--beam_runner=dask needs Dask: pip install 'digitline[dask]'")
    import distributed

    for name in ("distributed", "distributed.client"):  # What fails ends in an error of one line.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from apache_beam.runners.dask.dask_runner import DaskOptions
    from distributed.comm.addressing import get_address_host

    options = DaskOptions(flags).get_all_options(drop_default=True, current_only=True)
    place = {
        key: options[key] for key in ("address", "scheduler_file", "timeout") if key in options
    }
    file = place.get("scheduler_file")
    address = file or place.get("address") or os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address is None:  # Beam would start a cluster in this process.
        raise UsageError(
            "--beam_runner=dask needs its scheduler: --beam_options='--dask_client_address="
            "tcp://HOST:8786', after `dask scheduler` and `dask worker tcp://HOST:8786`"
        )
    try:
        if file:
            os.stat(file)  # A client would wait for it without end.
        else:  # A client of no address stays half made, and says so at its end.
            get_address_host(address)
        with distributed.Client(**place, set_as_default=False) as client:
            # By names that every Python has: a worker without digitline could not say that it is.
            versions: Any = client.run(
                pkgutil.resolve_name, f"{__name__}:__version__", on_error="return"
            )
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {first_line(error)}") from None
    for worker, version in versions.items():
        if version != __version__:
            raise UserError(
                f"Dask's worker {worker}: expected digitline {__version__}, got {version}"
            )
    waiting = "" if versions else "; nothing is done before one comes"
    progress.say(f"Dask at {address}, workers: {len(versions):,}{waiting}")
