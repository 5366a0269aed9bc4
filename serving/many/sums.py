"""The metrics of several processes as one server's."""

from collections.abc import Iterable, Sequence

import prometheus_client

from ..process.metrics import PREFIX

Metrics = Sequence[prometheus_client.Metric]
_Key = tuple[str, tuple[tuple[str, str], ...]]  # A sample's name and labels.
# Of versions that are loaded, which these samples name.
_BY_VERSION, _LOADED = f"{PREFIX}version_latency", f"{PREFIX}model_version_state"


class Sums:
    """What processes counted that have ended, to which the others are added."""

    def __init__(self) -> None:
        """None has ended."""
        self._ended: Metrics = []

    def retire(self, metrics: Metrics) -> None:
        """A process has ended; these are its last metrics."""
        counted = [metric for metric in metrics if metric.type != "gauge"]
        self._ended = added([self._ended, counted])

    def total(self, parent: Metrics, others: Iterable[Metrics]) -> Metrics:
        """The sum of all.

        Args:
          parent: its metrics, which state the versions that are loaded.
          others: of each process that lives.
        """
        loaded = {
            (sample.labels["model_name"], sample.labels["version"])
            for metric in parent
            if metric.name == _LOADED
            for sample in metric.samples
        }
        total = added([parent, self._ended, *others])
        for metric in total:
            if metric.name == _BY_VERSION:
                metric.samples = [
                    sample
                    for sample in metric.samples
                    if (sample.labels["model_name"], sample.labels["version"]) in loaded
                ]
        return total


def requests(metrics: Metrics) -> int:
    """How many requests to models were answered."""
    name = f"{PREFIX}request_count"
    return int(
        sum(sample.value for metric in metrics if metric.name == name for sample in metric.samples)
    )


def added(all_metrics: Iterable[Metrics]) -> list[prometheus_client.Metric]:
    """Sums of samples of the same name and labels."""
    values: dict[str, dict[_Key, float]] = {}
    kinds: dict[str, prometheus_client.Metric] = {}
    for metrics in all_metrics:
        for metric in metrics:
            kinds.setdefault(metric.name, metric)
            samples = values.setdefault(metric.name, {})
            for sample in metric.samples:
                key = sample.name, tuple(sample.labels.items())
                samples[key] = samples.get(key, 0.0) + sample.value
    result = []
    for name, samples in values.items():
        metric = prometheus_client.Metric(name, kinds[name].documentation, kinds[name].type)
        for (sample_name, labels), value in samples.items():
            metric.add_sample(sample_name, dict(labels), value)
        result.append(metric)
    return result
