"""Metrics for Prometheus, under the names that TF Serving gives them, and some that it lacks.

Latencies are in microseconds, as TF Serving has them.
"""

import bisect
import contextlib
import functools
import re
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TypeVar

import prometheus_client

from ..protocol.models import State, VersionStatus
from ..protocol.status import CODES
from .access_log import Answered

Metric = TypeVar("Metric")

PREFIX = ":tensorflow:serving:"
# Of time, from 10 microseconds to 25 minutes, each bound 1.8 times the one before: TF Serving's.
_LATENCY = tuple(10 * 1.8**power for power in range(33))
# The name of a counter at the beginning of a line.
_TOTAL = re.compile(rb"^((?:# (?:HELP|TYPE) )?:tensorflow:serving:[a-z_:]+)_total(?=[ {])", re.M)
_RUNTIME = "TF1"  # What TF Serving calls sessions.
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

prometheus_client.disable_created_metrics()  # Samples that TF Serving does not have.


class _Histogram(prometheus_client.Histogram):
    """The library's looks at all buckets below a value, which takes a few microseconds."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        self._sum.inc(amount)
        self._buckets[bisect.bisect_left(self._upper_bounds, amount)].inc(1)


class Metrics:
    """The metrics of one server. Safe to call from any thread."""

    def __init__(self):
        self.registry = prometheus_client.CollectorRegistry()
        self.requests = 0
        # Looking labels up takes half of the time.
        self._cells: dict[
            tuple[str, str, str, str], tuple[prometheus_client.Counter, prometheus_client.Histogram]
        ] = {}
        self._names: Callable[[], Container[str]] = lambda: ()

        counter = functools.partial(self._made, prometheus_client.Counter)
        gauge = functools.partial(self._made, prometheus_client.Gauge)
        latency = functools.partial(self._made, _Histogram, buckets=_LATENCY)
        rows = functools.partial(self._made, _Histogram, buckets=_ROWS)
        self._requests = counter(
            "request_count", "The total number of requests.", "model_name", "status"
        )
        self._request_latency = latency(
            "request_latency",
            "Distribution of wall time (in microseconds) for Tensorflow Serving request.",
            *("model_name", "API", "entrypoint"),
        )
        self._runtime_latency = latency(
            "runtime_latency",
            "Distribution of wall time (in microseconds) for Tensorflow runtime.",
            *("model_name", "API", "runtime"),
        )
        self._version_latency = latency(
            "version_latency",
            "The same by version and signature; of versions that are loaded.",
            *("model_name", "version", "signature_name", "API"),
        )
        # By model and version, then by signature and API.
        self._calls: dict[
            tuple[str, int], dict[tuple[str, str], Sequence[prometheus_client.Histogram]]
        ] = {}
        self._queuing = latency(
            "batching_session:queuing_latency",
            "Microseconds that the first request of a batch waited.",
            "model_name",
        )
        self._batch_size = rows(
            "batching_session:processed_batch_size",
            "Rows in a batch, without filling.",
            "model_name",
        )
        self._padding = counter(
            "batching_session:padding_size",
            "Rows that fill batches up to an allowed size.",
            "model_name",
        )
        self._queued = gauge("batching_session:queue_size", "Rows that wait for a batch.")
        self._loads = counter(
            "model_load_count", "Versions loaded, or failed to.", "model_name", "status"
        )
        self._state = gauge(
            "model_version_state",
            "State of a version: 10 start, 20 loading, 30 available, 40 unloading, 50 end.",
            *("model_name", "version"),
        )

    def _made(
        self, kind: Callable[..., Metric], name: str, text: str, *labels: str, **options: object
    ) -> Metric:
        return kind(PREFIX + name, text, labels, registry=self.registry, **options)

    def request(self, answered: Answered) -> None:
        """A request that was answered; one that asks for no API is not counted."""
        if not answered.api:
            return
        self.requests += 1
        api = answered.api
        if answered.interface == "GRPC":  # As TF Serving: Predict, but predict of REST.
            api = api.title().replace("_", "")
        key = (answered.model or "", api, answered.code, answered.interface)
        cells = self._cells.get(key)
        if cells is None:
            model, api, code, entrypoint = key
            if model not in self._names():
                model = ""  # Names that a client makes up must not grow the table.
            cells = self._cells.setdefault(
                (model, api, code, entrypoint),
                (
                    self._requests.labels(model, code),
                    self._request_latency.labels(model, api, entrypoint),
                ),
            )
        cells[0].inc()
        cells[1].observe(answered.seconds * 1e6)

    def runtime(self, model: str, version: int, api: str, signature: str, seconds: float) -> None:
        """What a call of the model took, with its wait in a queue."""
        calls = self._calls.setdefault((model, version), {})
        cells = calls.get((signature, api))
        if cells is None:
            cells = calls[signature, api] = (
                self._runtime_latency.labels(model, api, _RUNTIME),
                self._version_latency.labels(model, str(version), signature, api),
            )
        for cell in cells:
            cell.observe(seconds * 1e6)

    def batch(self, model: str, rows: int, padded: int, waited: float) -> None:
        """A batch was formed.

        Args:
          model: that answers it.
          rows: of requests.
          padded: with those that fill it up to an allowed size.
          waited: seconds that its first request waited.
        """
        self._batch_size.labels(model).observe(rows)
        self._queuing.labels(model).observe(waited * 1e6)
        if padded > rows:
            self._padding.labels(model).inc(padded - rows)

    def version(self, model: str, status: VersionStatus) -> None:
        """A version of a model has come into a state."""
        number = str(status.version)
        if status.state == State.END:
            with contextlib.suppress(KeyError):  # It was no longer shown.
                self._state.remove(model, number)
            self.forget(model, status.version)
            if status.error_code:
                self._loads.labels(model, CODES[status.error_code].name).inc()
            return
        self._state.labels(model, number).set(status.state)
        if status.state == State.AVAILABLE:
            self._loads.labels(model, "OK").inc()

    def forget(self, model: str, version: int) -> None:
        """A version has ended: what its calls took is no longer told apart."""
        for labels in self._calls.pop((model, version), ()):
            self._version_latency.remove(model, str(version), *labels)

    def follow_models(self, names: Callable[[], Container[str]]) -> None:
        """Where to look for the names of the models that are served."""
        self._names = names

    def follow_queue(self, rows: Callable[[], int]) -> None:
        """Where to look for the rows that wait at this moment."""
        self._queued.set_function(rows)

    def collect(self) -> list[prometheus_client.Metric]:
        """All metrics as they are now."""
        return list(self.registry.collect())

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return in_text(self.collect())


class _Collected(prometheus_client.CollectorRegistry):
    def __init__(self, metrics: Sequence[prometheus_client.Metric]):
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterator[prometheus_client.Metric]:
        return iter(self._metrics)


def in_text(metrics: Sequence[prometheus_client.Metric]) -> bytes:
    """Metrics in Prometheus's text format, version 0.0.4."""
    written = prometheus_client.generate_latest(_Collected(metrics))
    # The library ends the names of counters in _total; TF Serving's do not end so.
    return _TOTAL.sub(rb"\1", written)
