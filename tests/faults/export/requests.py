"""Warm-up requests of other things than the first image of the split."""

import importlib

import numpy as np
from faults.export.planting import damaged, written

from digitline.base.tf import tf
from digitline.export.publication import warmup

_FILE = "assets.extra/tf_serving_warmup_requests"


def _records(change):
    """`change(logs)` of all requests, by signature, gives the new ones."""

    def edit(folder):
        messages = importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
        path = str(folder / _FILE)
        logs = {}
        for record in tf.data.TFRecordDataset(path):
            log = messages.PredictionLog.FromString(record.numpy())
            part = getattr(log, log.WhichOneof("log_type"))
            logs[part.request.model_spec.signature_name] = log
        changed = change(logs)
        with tf.io.TFRecordWriter(path) as writer:
            for log in logs.values() if changed is None else changed:
                writer.write(log.SerializeToString())

    return damaged(edit)


def _request(logs, name):
    log = logs[name]
    return getattr(log, log.WhichOneof("log_type")).request


def _spec(**values):
    def change(logs):
        for name, value in values.items():
            spec = _request(logs, "predict_images").model_spec
            if name == "version":
                spec.version.value = value
            else:
                setattr(spec, name, value)

    return _records(change)


def _tensor(name, change):
    """The only input of a request is `change(array)`."""

    def in_logs(logs):
        inputs = _request(logs, name).inputs
        ((key, proto),) = inputs.items()
        inputs[key].CopyFrom(tf.make_tensor_proto(change(tf.make_ndarray(proto))))

    return _records(in_logs)


def _renamed(logs):
    inputs = _request(logs, "serving_default").inputs
    inputs["image"].CopyFrom(inputs["images"])
    del inputs["images"]


def _labelled(logs):
    (example,) = _request(logs, "classify").input.example_list.examples
    example.features.feature["label"].int64_list.value.append(7)


def _of_predict(logs):
    """The request of `classify` is of the method predict."""
    log = type(logs["classify"])()
    log.predict_log.request.model_spec.CopyFrom(_request(logs, "classify").model_spec)
    logs["classify"].CopyFrom(log)


def _filtered(logs):
    _request(logs, "serving_default").output_filter.append("classes")


def _second(monkeypatch):
    from digitline.export import stages

    write = warmup.write

    def write_inverted(trained, image, folder):
        write(trained, np.roll(image, 1, axis=1), folder)

    monkeypatch.setattr(stages.warmup, "write", write_inverted)


def _black_png(_):
    return np.array([tf.io.encode_png(np.zeros((28, 28, 1), np.uint8)).numpy()], object)


_NAME = r"^tf_serving_warmup_requests"
_HOLDS = _NAME + r", {}: holds \d+ image.*"

# From a name to what plants it, and how it is refused.
FAULTS = {
    "the second image": (written(_second), _HOLDS.format("serving_default")),
    "no requests": (_records(lambda logs: []), _NAME + r": has 0 requests, for none; expected"),
    "a request too few": (_records(lambda logs: list(logs.values())[:4]),
                          _NAME + r": has 4 requests, for .*; expected one for each of"),
    "a request twice": (_records(lambda logs: [*logs.values(), logs["classify"]]),
                        _NAME + r": has 6 requests, for .*; expected one"),
    "for another model": (_spec(name="other"), _NAME + r", predict_images: is for name: \"other\""),
    "for a version": (_spec(version=3), _NAME + r", predict_images: is for .*version"),
    "for another signature": (_spec(signature_name="predict"),
                              _NAME + r", predict: is for .*, expected one of"),
    "another pixel": (_tensor("serving_default", lambda images: images ^ 1),
                      _HOLDS.format("serving_default")),
    "two images": (_tensor("activations", lambda images: np.repeat(images, 2, 0)),
                   _HOLDS.format("activations")),
    "no images": (_tensor("serving_default", lambda images: images[:0]),
                  _HOLDS.format("serving_default")),
    "from 0 to 255": (_tensor("predict_images", lambda images: images * 255),
                      _HOLDS.format("predict_images")),
    "float64": (_tensor("predict_images", lambda images: images.astype(np.float64)),
                _NAME + r", predict_images: its inputs are .*float64.*, expected images float32"),
    "a black file": (_tensor("predict_bytes", _black_png), _HOLDS.format("predict_bytes")),
    "another input": (_records(_renamed), _NAME + r", serving_default: its inputs are .*'image'"),
    "a label": (_records(_labelled), _NAME + r", classify: its records have the features image, "),
    "of another method": (_records(_of_predict), _NAME + r", classify: is of another method"),
    "a filter": (_records(_filtered), _NAME + r", serving_default: holds inputs, .*output_filter"),
    "not a file of records": (damaged(lambda folder: (folder / _FILE).write_bytes(b"?" * 60)),
                              r"^SavedModel: it cannot be checked: "),
}  # fmt: skip
