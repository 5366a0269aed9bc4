"""`digitline data_service`: TensorFlow's data service, whose workers make training batches."""

import dataclasses
import signal
import time

from ..base import command, progress
from ..base.command_flags import flag, flag_values, read
from ..base.errors import UsageError, UserError, first_line
from .loopback import close_to_others

_WHAT = "What to start"
_HERE = "127.0.0.1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataServiceOptions:
    """What to start. The help texts of the flags say what each field means."""

    port: int = flag(
        5050, "Port of the dispatcher; 0 for any.", group=_WHAT, at_least=0, at_most=65535
    )
    workers: int = flag(
        1,
        "Workers in this process. One uses all cores; each holds the images that it is asked for.",
        group=_WHAT,
        at_least=1,
    )
    dispatcher: str | None = flag(
        None, "HOST:PORT of a dispatcher to add workers to; none is started then.", group=_WHAT
    )
    host: str = flag(
        _HERE,
        "Name or address of this machine for trainers and other workers. With the default only "
        "programs on this machine are let in; with another one anybody who reaches the ports is, "
        "and may run TensorFlow graphs here: keep them inside your network.",
        group=_WHAT,
    )


@dataclasses.dataclass(frozen=True)
class DataService:
    """A service that has ended: its address, the number of its workers here."""

    address: str
    workers: int
    seconds: float


def run(options: DataServiceOptions) -> DataService:
    """Starts dispatcher and workers; returns after SIGTERM or Ctrl-C."""
    from ..base.tf import tf

    service, start = tf.data.experimental.service, time.monotonic()
    dispatcher = (options.dispatcher or "").removeprefix("grpc://")
    if options.dispatcher is not None and not dispatcher.rpartition(":")[2].isdigit():
        raise UsageError(f"--dispatcher={options.dispatcher}: expected HOST:PORT")
    # Blocked before any thread is started, so that the signal waits for this one.
    ends = {signal.SIGTERM, signal.SIGINT}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        servers = []
        if not dispatcher:
            config = service.DispatcherConfig(port=options.port)
            servers.append(_started(service.DispatchServer, config, options.port))
            dispatcher = f"{options.host}:{servers[0].target.rpartition(':')[2]}"
        for _ in range(options.workers):
            worker = service.WorkerConfig(dispatcher, f"{options.host}:%port%")
            servers.append(_started(service.WorkerServer, worker, 0))
        if options.host == _HERE:
            close_to_others()
        address = f"grpc://{dispatcher}"
        progress.say(
            f"data service at {address}, workers here: {options.workers}; "
            f"digitline train --data_service={address}"
        )
        signal.sigwait(ends)
        for server in reversed(servers):
            server._stop()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return DataService(address, options.workers, time.monotonic() - start)


def _started(server, config, port: int):
    try:
        return server(config)
    except Exception as error:
        raise UserError(f"port {port}: {first_line(error)}") from None


def text(result: DataService) -> str:
    """The result for a person."""
    return f"the data service at {result.address} ended after {progress.duration(result.seconds)}"


COMMAND = command.Command(
    name="data_service",
    summary="Starts TensorFlow's data service: a dispatcher, and workers that make training "
    "batches for digitline train --data_service, on this machine or on several.",
    flags=flag_values(DataServiceOptions),
    options=lambda flags, _: read(DataServiceOptions, flags),
    run=run,
    text=text,
    lasts=True,
)

if __name__ == "__main__":
    command.main(COMMAND)
