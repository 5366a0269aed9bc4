"""A Keras file whose description asks for more than layers is not opened."""

import json
import zipfile

import pytest

from digitline.base.errors import UserError
from digitline.base.tf import keras
from digitline.models.run import keras_file


@pytest.fixture
def saved(tmp_path):
    """A small model's file."""
    path = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "relu")])
    model.compile("sgd", "mse")
    model.save(path)
    return path


def changed(path, change):
    """Changes the description in a file."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    described = json.loads(contents["config.json"])
    change(described)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, json.dumps(described) if name == "config.json" else content)


def test_opens_a_model_of_somebody_else(saved):
    model = keras_file.load(saved)
    assert [layer.name for layer in model.layers][-1].startswith("dense")
    assert keras_file.load(saved).count_params() == 8


def part(module, name, **config):
    """What Keras makes an object of."""
    return {"module": module, "class_name": name, "config": config, "registered_name": name}


@pytest.mark.parametrize(
    ("called", "part"),
    {
        "builtins.function": part("builtins", "function"),
        "os.system": part("os", "system", command="touch ran"),
        "keras.utils.get_file": part("keras.utils", "get_file", origin="file:///etc/passwd"),
        "keras.layers.Lambda": part("keras.layers", "Lambda", function="f"),
        "keras.layers.TFSMLayer": part("keras.layers", "TFSMLayer", filepath="/models/1"),
        "keras.layers.StringLookup": part("keras.layers", "StringLookup", vocabulary="/etc/passwd"),
        "__lambda__": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
        "keras_hub.src.Layer": part("keras_hub.src", "Layer"),
    }.items(),
)
def test_refuses_what_could_run_code(called, part, saved):
    changed(saved, lambda described: described["config"]["layers"].append(part))
    with pytest.raises(UserError, match=rf"^{saved}: its model has the part '{called}', [^\n]+$"):
        keras_file.load(saved)


def test_refuses_it_wherever_it_is(saved):
    def change(described):
        dense = described["config"]["layers"][1]["config"]
        dense["kernel_initializer"] = part("subprocess", "Popen", args=["touch", "ran"])

    changed(saved, change)
    with pytest.raises(UserError, match=r"'subprocess\.Popen', which could run code"):
        keras_file.load(saved)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\5\6" + bytes(18)])
def test_says_what_is_damaged(content, saved):
    saved.write_bytes(content)
    with pytest.raises(UserError, match=rf"^{saved} cannot be loaded: [^\n]+$"):
        keras_file.load(saved)


def test_a_layer_is_no_model(saved):
    layer = part("keras.layers", "Dense", units=2)
    changed(saved, lambda described: (described.clear(), described.update(layer)))
    with pytest.raises(UserError, match=rf"^{saved} (cannot be loaded|holds no model)[^\n]*$"):
        keras_file.load(saved)
