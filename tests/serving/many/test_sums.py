from digitline.serving.many import sums
from digitline.serving.process.access_log import Answered
from digitline.serving.process.metrics import Metrics, in_text
from digitline.serving.protocol.models import State, VersionStatus


def metrics(requests, version):
    made = Metrics()
    made.follow_models(lambda: ["m"])
    for _ in range(requests):
        made.request(Answered("REST", "predict", "m", "OK", 0.001, dict))
        made.runtime("m", version, "Predict", "best", 0.001)
    made.follow_queue(lambda: requests)
    return made.collect()


def test_counts_add_up_and_those_of_a_process_that_ended_are_kept():
    parent, ended = Metrics(), sums.Sums()
    parent.version("m", VersionStatus(2, State.AVAILABLE))
    ended.retire(metrics(5, version=1))
    ended.retire(metrics(1, version=2))
    total = ended.total(parent.collect(), [metrics(3, 2), metrics(4, 2)])
    lines = in_text(total).decode().splitlines()
    prefix = ":tensorflow:serving:"
    assert f'{prefix}request_count{{model_name="m",status="OK"}} 13.0' in lines
    labels = 'API="predict",entrypoint="REST",model_name="m"'
    assert f"{prefix}request_latency_sum{{{labels}}} 13000.0" in lines
    assert f"{prefix}batching_session:queue_size 7.0" in lines  # Of those that live.
    by_version = [line for line in lines if line.startswith(f"{prefix}version_latency_count")]
    assert len(by_version) == 1  # Version 1 is not loaded any more.
    assert by_version[0].endswith(" 8.0")
    assert sums.requests(total) == 13
