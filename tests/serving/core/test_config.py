from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from digitline.base.errors import UserError
from digitline.serving.core import config, versions

# As TF Serving's guide writes it, with single quotes, commas and comments.
TEXT = """
# Two models.
model_config_list: {
  config: {
    name: 'digits',
    base_path: '/models/digits',
    model_platform: 'tensorflow'
    model_version_policy { specific { versions: 43 versions: 42 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 }
  }
  config { name: "small" base_path: "/models/small" model_platform: "tflite" }
}
"""


def one(policy="", more=""):
    (model,) = config.parse(
        f"model_config_list {{ config {{ name: 'm' base_path: '/m' {policy} {more} }} }}"
    )
    return model


def test_models_are_read_with_policy_labels_and_platform():
    assert config.parse(TEXT) == (
        config.ModelConfig(
            "digits",
            Path("/models/digits"),
            versions.Specific((42, 43)),
            {"stable": 42, "canary": 43},
            "tensorflow",
        ),
        config.ModelConfig("small", Path("/models/small"), versions.Latest(1), {}, "tflite"),
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", versions.Latest(1)),
        ("model_version_policy { }", versions.Latest(1)),
        ("model_version_policy { latest { } }", versions.Latest(1)),
        ("model_version_policy { latest { num_versions: 3 } }", versions.Latest(3)),
        ("model_version_policy: { all: {} }", versions.All()),
    ],
)
def test_version_policies(policy, expected):
    assert one(policy).policy == expected


def test_flags_and_messages_give_the_same_as_the_text():
    assert config.from_flags("m", "/m") == (one(),)
    message = text_format.Parse(TEXT, model_server_config_pb2.ModelServerConfig())
    assert config.from_message(message) == config.parse(TEXT)


def test_a_relative_base_path_is_under_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.from_flags("m", "models/m")[0].base_path == tmp_path / "models/m"


def test_a_file_that_is_malformed_is_named_with_the_line(tmp_path):
    path = tmp_path / "models.config"
    path.write_text("model_config_list {\n  config {\n    nam: 'x'\n  }\n}\n")
    with pytest.raises(UserError) as caught:
        config.read(path)
    text = str(caught.value)
    assert text.startswith(
        f"{path}: Error parsing text-format tensorflow.serving.ModelServerConfig: 3:"
    )
    assert '"nam"' in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("improper {", "Error parsing text-format tensorflow.serving.ModelServerConfig"),
        ("model_config_list { config { base_path: '/m' } }", "has no name"),
        ("model_config_list { config { name: 'm' } }", "Model m has no base path"),
        (
            "model_config_list { config { name: 'm' base_path: 's3://b/m' } }",
            "not on this machine's file system",
        ),
        (
            "model_config_list { config { name: 'm' base_path: '/m' model_platform: 'onnx' } }",
            "Model m requests unsupported platform onnx",
        ),
        (
            "model_config_list { config { name: 'm' base_path: '/m' } "
            "config { name: 'm' base_path: '/n' } }",
            "Illegal to list model m multiple times in config list",
        ),
        (
            "custom_model_config { type_url: 'type.googleapis.com/x' }",
            "custom_model_config is not supported",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_in_clear_words(text, words):
    with pytest.raises(UserError) as caught:
        config.parse(text)
    assert words in str(caught.value)


def test_an_empty_file_serves_nothing_at_first_and_takes_nothing_away_later(tmp_path):
    path = tmp_path / "models.config"
    path.write_text("")
    assert config.read(path) == ()
    with pytest.raises(UserError, match="Taking no action for empty config"):
        config.read(path, again=True)
    path.write_text("model_config_list { }")
    assert config.read(path, again=True) == ()


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        config.read(tmp_path / "gone.config")
    (tmp_path / "binary.config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="Error parsing text-format"):
        config.read(tmp_path / "binary.config")
