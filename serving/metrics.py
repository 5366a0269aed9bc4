"""Figures for Prometheus, under the names that TF Serving gives them, and some that it lacks.

Latencies are in microseconds, as TF Serving has them.
"""

from collections.abc import Callable

import prometheus_client

PREFIX = ":tensorflow:serving:"
# Of time, from 10 microseconds to 13 s, each bound 1.8 times the one before: TF Serving's.
_LATENCY = tuple(10 * 1.8**power for power in range(25))
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

prometheus_client.disable_created_metrics()  # Samples that TF Serving does not have.


class Metrics:
    """The figures of one server. Safe to call from any thread."""

    def __init__(self):
        self.registry = prometheus_client.CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> prometheus_client.Counter:
            return prometheus_client.Counter(PREFIX + name, text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> prometheus_client.Gauge:
            return prometheus_client.Gauge(PREFIX + name, text, labels, registry=self.registry)

        def histogram(
            name: str, text: str, buckets: tuple[float, ...], *labels: str
        ) -> prometheus_client.Histogram:
            return prometheus_client.Histogram(
                PREFIX + name, text, labels, buckets=buckets, registry=self.registry
            )

        self._requests = counter(
            "request_count", "The total number of requests.", "model_name", "status"
        )
        self._request_latency = histogram(
            "request_latency",
            "Distribution of wall time (in microseconds) for Tensorflow Serving request.",
            _LATENCY,
            *("model_name", "API", "entrypoint"),
        )
        self._runtime_latency = histogram(
            "runtime_latency",
            "Distribution of wall time (in microseconds) for Tensorflow runtime.",
            _LATENCY,
            *("model_name", "API", "runtime"),
        )
        self._queuing = histogram(
            "batching_session:queuing_latency",
            "Microseconds that the first request of a batch waited.",
            _LATENCY,
        )
        self._batch_size = histogram(
            "batching_session:processed_batch_size", "Rows in a batch, without filling.", _ROWS
        )
        self._padding = counter(
            "batching_session:padding_size", "Rows that fill batches up to an allowed size."
        )
        self._in_flight = gauge("requests_in_flight", "Requests that are being answered.")
        self._queued = gauge("batching_session:queue_size", "Rows that wait for a batch.")
        self._loads = counter(
            "model_load_count", "Versions loaded, or failed to.", "model_name", "status"
        )
        self._state = gauge(
            "model_version_state",
            "State of a version: 10 start, 20 loading, 30 available, 40 unloading, 50 end.",
            *("model_name", "version"),
        )

    def request(self, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """A request that was answered.

        Args:
          model: that it named.
          api: "predict", "classify", …
          entrypoint: "GRPC" or "REST".
          status: name of its gRPC code.
          seconds: that it took.
        """
        if status == "NOT_FOUND":
            model = ""  # Names that a client makes up must not grow the table.
        self._requests.labels(model, status).inc()
        self._request_latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def runtime(self, model: str, api: str, seconds: float) -> None:
        """What the model itself took, with its queue."""
        self._runtime_latency.labels(model, api, "TF").observe(seconds * 1e6)

    def batch(self, rows: int, padded: int, waited: float) -> None:
        """A batch of `rows`, filled up to `padded`, whose first request waited so many seconds."""
        self._batch_size.observe(rows)
        self._queuing.observe(waited * 1e6)
        if padded > rows:
            self._padding.inc(padded - rows)

    def version(self, model: str, version: int, state: int, error: str) -> None:
        """A version has come into a state (a number of `ModelVersionStatus.State`)."""
        self._state.labels(model, str(version)).set(state)
        if state == 30:
            self._loads.labels(model, "OK").inc()
        elif state == 50 and error:
            self._loads.labels(model, error).inc()

    def follow(self, in_flight: Callable[[], int], queued: Callable[[], int]) -> None:
        """Where to look for the figures of this moment."""
        self._in_flight.set_function(in_flight)
        self._queued.set_function(queued)

    def text(self) -> bytes:
        """All figures in Prometheus's text format, version 0.0.4."""
        text = prometheus_client.generate_latest(self.registry)
        # The library ends the names of counters in _total; TF Serving's have no such end.
        return text.replace(b"_count_total", b"_count").replace(b"_size_total", b"_size")
