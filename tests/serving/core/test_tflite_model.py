import threading

import numpy as np
import psutil
import pytest

from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.serving.core import loading, tflite_model
from digitline.serving.core.config import TENSORFLOW, TFLITE
from digitline.serving.flags import ServeOptions
from digitline.serving.protocol.status import StatusError


class Several(tf.Module):
    """One signature with an open batch of numbers, one with two inputs, one with strings, …"""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
    def double(self, x):
        return {"y": x * 2.0, "sum": tf.reduce_sum(x, 1)}

    @tf.function(
        input_signature=[tf.TensorSpec([3], tf.int32, "a"), tf.TensorSpec([3], tf.int32, "b")]
    )
    def add(self, a, b):
        return {"c": a + b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "s")])
    def echo(self, s):
        return {"t": tf.reshape(s, [-1, 1])}

    @tf.function(
        input_signature=[
            tf.TensorSpec([1, 2], tf.float32, "x"),
            tf.TensorSpec([1], tf.float32, "by"),
        ]
    )
    def single(self, x, by):
        return {"y": x * by[:, tf.newaxis], "top": tf.argmax(x, 1)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, "x"), tf.TensorSpec([], tf.float32)]
    )
    def scale(self, x, by):
        return {"y": x * by, "total": tf.reduce_sum(x) * by}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32, "x")])
    def convolve(self, x):
        return {"y": tf.nn.conv2d(x, tf.ones([5, 5, 1, 2]), 1, "VALID")}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, "x"),
            tf.TensorSpec([2], tf.int32, "to"),
        ]
    )
    def reshape(self, x, to):
        return {"y": tf.reshape(x, to)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def positive(self, x):
        return {"y": tf.where(x > 0)}


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    module = Several()
    names = ["double", "add", "echo", "single", "scale", "convolve", "reshape", "positive"]
    folder = str(tmp_path_factory.mktemp("several"))
    tf.saved_model.save(module, folder, {name: getattr(module, name) for name in names})
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=names)
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    path.write_bytes(converter.convert())
    return path


@pytest.fixture
def model(several):
    return tflite_model.load(several, ServeOptions())


def numbers(*shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def test_signatures_are_read_from_the_file(model):
    assert model.signatures.keys() >= {"double", "add", "echo", "single"}
    double = model.signatures["double"]
    assert double.method == "tensorflow/serving/predict"
    assert double.inputs["x"].shape == (None, 2)
    assert double.inputs["x"].dtype == tf.float32.as_datatype_enum
    assert double.batched
    assert model.signatures["add"].inputs["b"].shape == (3,)
    assert not model.signatures["add"].batched
    assert model.signatures["echo"].inputs["s"].dtype == tf.string.as_datatype_enum
    stated = model.signature_defs["double"]
    assert [size.size for size in stated.inputs["x"].tensor_shape.dim] == [-1, 2]
    assert stated.inputs["x"].name


@pytest.mark.parametrize("rows", [1, 5, 2])
def test_an_open_batch_takes_any_number_of_rows(model, rows):
    x = numbers(rows, 2)
    total, doubled = model.run("double", {"x": x}, ["sum", "y"])
    np.testing.assert_allclose(doubled, x * 2)
    np.testing.assert_allclose(total, x.sum(1))


def test_several_inputs_are_told_apart_by_name(model):
    (c,) = model.run("add", {"b": np.int32([1, 2, 3]), "a": np.int32([10, 20, 30])}, ["c"])
    assert c.tolist() == [11, 22, 33]


def test_strings_go_in_and_out_whole(model):
    s = np.array([b"", b"a\x00", "é".encode()], object)
    (t,) = model.run("echo", {"s": s}, ["t"])
    assert t.dtype == object
    assert t.tolist() == [[each] for each in s]


def test_a_file_that_takes_one_example_is_served_with_an_open_batch(model):
    signature = model.signatures["single"]
    assert signature.inputs["x"].shape == (None, 2)
    assert signature.batched
    x, by = numbers(3, 2), np.float32([1, 10, 100])
    y, top = model.run("single", {"x": x, "by": by}, ["y", "top"])
    np.testing.assert_allclose(y, x * by[:, None])
    assert top.tolist() == [1, 1, 1]
    (empty,) = model.run("single", {"x": x[:0], "by": by[:0]}, ["y"])
    assert empty.shape == (0, 2)
    with pytest.raises(StatusError, match="same batch size"):
        model.run("single", {"x": x, "by": by[:2]}, ["y"])


@pytest.mark.parametrize(
    ("signature", "inputs", "words"),
    [
        ("add", {"a": numbers(2, dtype=np.int32), "b": numbers(3, dtype=np.int32)}, "prepare"),
        ("double", {"x": numbers(2)}, "failed to prepare"),
        ("double", {"x": numbers()}, "failed to prepare"),
        ("double", {"x": numbers(1, 2, dtype=np.float64)}, "to be float32 but float64"),
        ("double", {}, "Missing named input: x"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_and_the_next_ones_run(model, signature, inputs, words):
    for _ in range(2):  # LiteRT's own texts hold all that came before.
        with pytest.raises(StatusError, match=f"INVALID_ARGUMENT: .*{words}") as caught:
            model.run(signature, inputs, [])
        assert str(caught.value).count("failed to prepare") < 2
    assert len(model.run("double", {"x": numbers(1, 2)}, ["y"])) == 1


def test_other_shapes_than_the_stated_ones_are_the_graphs_to_judge(model):
    (c,) = model.run("add", {"a": np.int32([1, 2]), "b": np.int32([3, 4])}, ["c"])
    assert c.tolist() == [4, 6]
    (y,) = model.run("double", {"x": numbers(1, 3)}, ["y"])
    np.testing.assert_allclose(y, numbers(1, 3) * 2)


def test_scalars_stay_scalars(model):
    assert model.signatures["scale"].inputs["by"].shape == ()
    assert not model.signatures["scale"].batched
    y, total = model.run("scale", {"x": numbers(3), "by": np.array(2, np.float32)}, ["y", "total"])
    assert y.tolist() == [0, 2, 4]
    assert (total.shape, total.tolist()) == ((), 6)


@pytest.mark.parametrize("size", [(1, 28, 28, 1), (3, 9, 14, 1), (1, 5, 5, 1)])
def test_each_request_brings_its_own_sizes(model, size):
    (y,) = model.run("convolve", {"x": numbers(*size)}, ["y"])
    assert y.shape == (size[0], size[1] - 4, size[2] - 4, 2)


def test_outputs_have_the_sizes_that_a_request_asks_for_or_none(model):
    for to in ([2, 3], [6, 1]):
        (y,) = model.run("reshape", {"x": numbers(6), "to": np.int32(to)}, ["y"])
        assert list(y.shape) == to
    for x, rows in (([1, -1, 1], 2), ([-1], 0), ([], 0)):
        (y,) = model.run("positive", {"x": np.float32(x)}, ["y"])
        assert (y.shape, y.dtype) == ((rows, 1), np.int64)


@pytest.mark.parametrize(
    ("signature", "inputs", "words"),
    [
        ("reshape", {"x": numbers(6), "to": np.int32([4, 3])}, "num_input_elements"),
        ("convolve", {"x": numbers(1, 3, 3, 1)}, "failed to prepare"),
    ],
)
def test_a_refused_request_leaves_nothing_behind(model, signature, inputs, words):
    texts = set()
    for _ in range(3):
        with pytest.raises(StatusError, match=f"INVALID_ARGUMENT: .*{words}") as refused:
            model.run(signature, inputs, ["y"])
        texts.add(str(refused.value))
        assert len(model.run("double", {"x": numbers(1, 2)}, ["y"])) == 1
    assert len(texts) == 1
    assert ": Node number" in texts.pop()


def test_a_large_call_gives_its_memory_back(several):
    model = tflite_model.load(several, ServeOptions())

    def megabytes():
        return psutil.Process().memory_info().rss / 2**20

    before = megabytes()
    model.run("convolve", {"x": np.ones([300, 200, 200, 1], np.float32)}, ["y"])
    assert megabytes() < before + 60


def test_many_threads_share_the_interpreters(several):
    model = tflite_model.load(several, ServeOptions(num_tflite_pools=2))
    wrong = []

    def work(seed):
        for rows in range(1, 40):
            x = numbers(1 + (rows + seed) % 5, 2) + seed
            (y,) = model.run("double", {"x": x}, ["y"])
            if not np.array_equal(y, x * 2):
                wrong.append((seed, rows))

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("function", "size", "shapes"),
    [
        ("double", (3, 2), [(3,), (3, 2)]),
        ("convolve", (2, 9, 9, 1), [(2, 5, 5, 2)]),  # LiteRT's own sizes of 1 are too small.
        ("positive", (1,), [(0, 1)]),
    ],
)
def test_a_file_without_signatures_gets_one_from_its_tensors(tmp_path, function, size, shapes):
    concrete = getattr(Several(), function).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    (tmp_path / "model.tflite").write_bytes(content)
    model = tflite_model.load(tmp_path / "model.tflite", ServeOptions())
    signature = model.signatures["serving_default"]
    (name,) = signature.inputs
    found = model.run("serving_default", {name: numbers(*size)}, list(signature.outputs))
    assert sorted(each.shape for each in found) == shapes


def test_a_damaged_file_does_not_load(tmp_path, several):
    (tmp_path / "model.tflite").write_bytes(several.read_bytes()[:100])
    with pytest.raises(UserError, match="not a TFLite file that loads"):
        tflite_model.load(tmp_path / "model.tflite", ServeOptions())


def test_our_own_export_answers_alike_in_both_kinds(exported, test_images):
    images = test_images[0][:5]
    saved = loading.load(exported.saved_model, TENSORFLOW, ServeOptions(enable_model_warmup=False))
    small = loading.load(exported.tflite.parent, TENSORFLOW, ServeOptions())
    assert small.signatures["serving_default"].batched
    (expected,) = saved.run("serving_default", {"images": images}, ["probabilities"])
    (probabilities,) = small.run("serving_default", {"images": images}, ["probabilities"])
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    saved.close()
    small.close()


def test_flag_and_platform_choose_between_the_files_of_a_folder(several, tmp_path):
    tf.saved_model.save(Several(), str(tmp_path), {"only_here": Several().double})
    (tmp_path / "model.tflite").write_bytes(several.read_bytes())
    saved = loading.load(tmp_path, TENSORFLOW, ServeOptions())
    assert set(saved.signatures) == {"only_here"}
    saved.close()
    preferred = loading.load(tmp_path, TENSORFLOW, ServeOptions(prefer_tflite_model=True))
    assert "echo" in preferred.signatures
    assert "echo" in loading.load(tmp_path, TFLITE, ServeOptions()).signatures
    with pytest.raises(StatusError, match=r"Could not find SavedModel .pb or .pbtxt"):
        loading.load(tmp_path / "assets", TENSORFLOW, ServeOptions())
