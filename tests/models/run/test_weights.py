"""`--init_from`: a run begins with the weights of another model."""

import dataclasses
import json

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.models import registry
from digitline.models.run import weights


def build(name, classes, size=28):
    return registry.get(name).build((size, size, 1), classes)


@pytest.fixture
def config(quick):
    """The configuration of a run of `lenet5` with digits."""
    return dataclasses.replace(quick.run.load_config(), model="lenet5")


@pytest.fixture
def begin(config, tmp_path, capsys):
    """Begins a network with the weights in a file; gives its weights, and what is said."""

    def begun(path, name="lenet5", classes=10):
        model = build(name, classes, 32)
        own = dataclasses.replace(config, model=name)
        weights.begin_with(model, own, path)
        return model.get_weights(), capsys.readouterr().err

    return begun


def assert_same(ours, theirs):
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(own, other)


def test_the_head_is_new_where_the_classes_differ(begin, config, tmp_path):
    source = build("lenet5", 10, 32)
    path = tmp_path / "model.keras"
    source.save(path)
    ours, said = begin(path)
    assert_same(ours, source.get_weights())
    assert "its classes are not known, but as many" in said
    ours, said = begin(path, classes=4)
    assert_same(ours[:-2], source.get_weights()[:-2])
    assert ours[-1].shape == (4,)
    assert "its last layer is new, since the classes differ (other classes there" in said
    stated = config.to_config()
    stated["dataset"]["label_names"] = list("abcdefghij")
    (tmp_path / "config.json").write_text(json.dumps(stated))
    ours, said = begin(path)
    assert_same(ours[:-2], source.get_weights()[:-2])
    assert not np.array_equal(ours[-2], source.get_weights()[-2])
    assert "(a, b, c, d, e, f, g, h, i, j there; 0, 1, 2" in said


def test_what_does_not_fit_is_named(begin, tmp_path):
    path = tmp_path / "other.keras"
    build("mlp", 10, 32).save(path)
    with pytest.raises(UsageError, match="it has 3 layers with weights, lenet5 has 5"):
        begin(path)
    build("mlp", 10, 28).save(path)
    with pytest.raises(UsageError, match=r"its layer 1 of 3 with weights, hidden1, has the shapes"):
        begin(path, "mlp")
    build("softmax", 10, 32).save(path)
    with pytest.raises(UsageError, match="nothing is left to begin with"):
        begin(path, "softmax", 4)
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"other.keras cannot be loaded"):
        begin(path)


def test_a_run_begins_with_another(quick, train_here):
    flags = ("--learning_rate=0", "--epochs=1", "--ema_decay=0.9")
    begun = train_here("begun", *flags, f"--init_from={quick.workdir}")
    begun.assert_same_weights(quick)
    config = begun.run.load_config()
    assert config.init_from == str(quick.run.model.resolve())
    again = train_here("begun", *flags, f"--init_from={quick.run.model}")
    assert again.result["reused"]
    with pytest.raises(UsageError, match=r"holds another run \(init_sha256 is \w+ there, None"):
        train_here("begun", *flags)
    with pytest.raises(UsageError, match="is in --workdir: choose another"):
        train_here("begun", f"--init_from={begun.workdir}", "--overwrite")
    assert begun.run.finished


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none", "expected a run folder or a .keras file"),
        ("model.h5", "expected a run folder or a .keras file"),
        (".", "holds no run"),
        ("begun", "is not finished"),
    ],
)
def test_rejects_what_is_no_model(place, message, quick, tmp_path):
    (tmp_path / "model.h5").write_bytes(b"")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.json").write_text(quick.run.config.read_text())
    with pytest.raises(UserError, match=message):
        weights.trained_model(tmp_path / place)
