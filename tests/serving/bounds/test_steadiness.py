import pytest

from digitline.base.tf import tf
from digitline.serving.bounds.steadiness import is_steady


class Both(tf.Module):
    """A signature whose time is known, beside others."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def plain(self, x):
        return {"y": inner(x) + 1}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def loop(self, x):
        return {"y": until(x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "x")])
    def case(self, x):
        return {"y": tf.switch_case(x, [lambda: tf.constant(1.0), lambda: tf.random.normal([])])}


@tf.function
def inner(x):
    return x * 2


@tf.function
def until(x):
    while tf.reduce_sum(x) < 100:
        x = x * 2
    return x


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder, module = str(tmp_path_factory.mktemp("both")), Both()
    names = ("plain", "loop", "case")
    tf.saved_model.save(module, folder, {name: getattr(module, name) for name in names})
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return tf.compat.v1.saved_model.load(session, ["serve"], folder)


@pytest.mark.parametrize(("name", "steady"), [("plain", True), ("loop", False), ("case", False)])
def test_only_what_a_signature_runs_counts(name, steady, loaded):
    definition = loaded.signature_def[name]
    inputs, outputs = (
        [info.name for info in infos.values()] for infos in (definition.inputs, definition.outputs)
    )
    assert is_steady(loaded.graph_def, inputs, outputs) == steady


def test_what_is_fed_is_not_run():
    with tf.Graph().as_default() as graph:
        x = tf.identity(tf.compat.v1.py_func(lambda: 1.0, [], tf.float32), "x")
        y = tf.identity(x * 2, "y")
    assert is_steady(graph.as_graph_def(), ["x:0"], [y.name])
    assert not is_steady(graph.as_graph_def(), [], [y.name])
