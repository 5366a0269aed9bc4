import numpy as np
import pytest
from tensorflow_serving.apis import prediction_log_pb2

from digitline.base.errors import DataError
from digitline.base.tf import tf
from digitline.base.tfrecord import checksum
from digitline.serving.core import saved_model, warmup
from digitline.serving.core.servable import CLASSIFY_METHOD, Servable, Signature, TensorInfo
from digitline.serving.flags import ServeOptions
from digitline.serving.protocol.status import StatusError


@pytest.fixture
def calls():
    return []


@pytest.fixture
def servable(calls):
    """Notes what it runs."""
    number = TensorInfo(tf.float32.as_datatype_enum, (None,))
    text = TensorInfo(tf.string.as_datatype_enum, (None,))
    signatures = {
        "serving_default": Signature("", {"x": number}, {"y": number, "z": number}),
        "classify": Signature(CLASSIFY_METHOD, {"inputs": text}, {"scores": number}),
    }

    def run(signature, inputs, outputs):
        calls.append((signature, dict(inputs), list(outputs)))
        return []

    return Servable(signatures, {}, run, lambda: None)


def predict_log(name="", outputs=(), **inputs):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = name
    request.output_filter.extend(outputs)
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return log


def example(value):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature}))


def write(folder, logs):
    path = folder / warmup.FILE
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())


def test_a_version_without_requests_needs_none(tmp_path, servable, calls):
    assert warmup.replay(tmp_path, servable, ServeOptions()) == 0
    assert calls == []


def test_predict_requests_run_with_their_inputs_and_outputs(tmp_path, servable, calls):
    write(tmp_path, [predict_log(x=[1.0, 2.0]), predict_log("serving_default", ["z"], x=[3.0])])
    assert warmup.replay(tmp_path, servable, ServeOptions()) == 2
    assert [(name, list(inputs["x"]), outputs) for name, inputs, outputs in calls] == [
        ("serving_default", [1.0, 2.0], ["y", "z"]),
        ("serving_default", [3.0], ["z"]),
    ]
    assert calls[0][1]["x"].dtype == np.float32


def test_requests_with_examples_run(tmp_path, servable, calls):
    classify, regress, multi = (prediction_log_pb2.PredictionLog() for _ in range(3))
    classify.classify_log.request.model_spec.signature_name = "classify"
    regress.regress_log.request.model_spec.signature_name = "classify"
    for log in (classify.classify_log, regress.regress_log):
        log.request.input.example_list.examples.extend([example(1), example(2)])
    request = multi.multi_inference_log.request
    for _ in range(2):
        request.tasks.add().model_spec.signature_name = "classify"
    with_context = request.input.example_list_with_context
    with_context.examples.append(tf.train.Example())
    with_context.context.CopyFrom(example(7))
    write(tmp_path, [classify, regress, multi])

    assert warmup.replay(tmp_path, servable, ServeOptions()) == 3
    assert [(name, outputs) for name, _, outputs in calls] == [("classify", ["scores"])] * 4
    given = calls[0][1]["inputs"]
    assert [tf.train.Example.FromString(each) for each in given] == [example(1), example(2)]
    assert tf.train.Example.FromString(calls[2][1]["inputs"][0]) == example(7)


def test_requests_are_repeated_as_often_as_asked(tmp_path, servable, calls):
    write(tmp_path, [predict_log(x=[1.0])])
    warmup.replay(tmp_path, servable, ServeOptions(num_request_iterations_for_warmup=3))
    assert len(calls) == 3


def test_a_thousand_requests_are_run_and_one_more_is_refused(tmp_path, servable, calls):
    record = predict_log(x=[1.0]).SerializeToString()
    write(tmp_path / "most", [record] * 1000)
    assert warmup.replay(tmp_path / "most", servable, ServeOptions()) == 1000
    write(tmp_path / "more", [record] * 1001)
    with pytest.raises(StatusError, match=r"INVALID_ARGUMENT: Number of warmup records exceeds"):
        warmup.replay(tmp_path / "more", servable, ServeOptions())


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"malformed_record", "INVALID_ARGUMENT: Failed to parse warmup record: number 1 from"),
        (b"", "UNIMPLEMENTED: Unsupported log_type for warmup: None"),
        (predict_log("gone", x=[1.0]), 'Serving signature key "gone" not found.'),
        (
            predict_log(w=[1.0]),
            r"input size does not match signature: .*Sent extra: {w}.* \(warmup record 1 of ",
        ),
        (
            predict_log("serving_default", ["w"], x=[1.0]),
            "output tensor alias not found in signature: w",
        ),
        (
            prediction_log_pb2.PredictionLog(session_run_log={}),
            "UNIMPLEMENTED: Unsupported log_type for warmup: session_run_log",
        ),
    ],
)
def test_a_request_that_is_wrong_fails_in_clear_words(tmp_path, servable, log, words):
    write(tmp_path, [log])
    with pytest.raises(StatusError, match=words):
        warmup.replay(tmp_path, servable, ServeOptions())


def test_a_file_that_is_cut_short_fails(tmp_path, servable):
    write(tmp_path, [predict_log(x=[1.0])])
    path = tmp_path / warmup.FILE
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StatusError, match=r"DATA_LOSS.*verify your warmup data"):
        warmup.replay(tmp_path, servable, ServeOptions())


def test_a_record_that_states_more_than_there_is_is_not_asked_for(tmp_path, servable):
    write(tmp_path, [predict_log(x=[1.0])])
    length = (1 << 50).to_bytes(8, "little")
    with open(tmp_path / warmup.FILE, "ab") as file:
        file.write(length + checksum(length))
    with pytest.raises(StatusError, match=r"DATA_LOSS: a record is longer.*verify your warmup"):
        warmup.replay(tmp_path, servable, ServeOptions())


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path, servable):
    (tmp_path / warmup.FILE).mkdir(parents=True)
    with pytest.raises(DataError, match=f"{warmup.FILE.name} is a folder, not a file"):
        warmup.replay(tmp_path, servable, ServeOptions())


def test_the_requests_of_our_own_export_run(exported):
    model = saved_model.load(exported.saved_model, ServeOptions())
    try:
        assert warmup.replay(exported.saved_model, model, ServeOptions()) == len(model.signatures)
    finally:
        model.close()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((150_000_000,), "takes more than 134217728 bytes"),
        ((20_000_000,), "20000000 values of float32 are stated and 1 sent"),
        ((300_000,), "300000 rows or examples; at most 100000"),
    ],
)
def test_a_record_of_a_few_bytes_does_not_take_the_memory(tmp_path, servable, calls, shape, words):
    log = predict_log()
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto(1.0, tf.float32, shape))
    assert log.ByteSize() < 70
    write(tmp_path, [log])
    with pytest.raises(StatusError, match=words):
        warmup.replay(tmp_path, servable, ServeOptions())
    assert not calls


def test_a_large_record_runs_in_pieces(tmp_path, servable, calls):
    write(tmp_path, [predict_log(x=np.arange(1500, dtype=np.float32))])
    warmup.replay(tmp_path, servable, ServeOptions())
    assert [len(inputs["x"]) for _, inputs, _ in calls] == [1024, 476]
