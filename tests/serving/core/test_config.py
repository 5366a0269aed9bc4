import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from digitline.base.errors import UserError
from digitline.serving.core import config

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


PATH = Path("models.config")


def parse(text, **options):
    return config.parse(text.encode(), PATH, **options)


def one(policy=""):
    (model,) = parse(f"model_config_list {{ config {{ name: 'm' base_path: '/m' {policy} }} }}")
    return model


def test_models_are_read_with_policy_labels_and_platform():
    assert parse(TEXT) == (
        config.ModelConfig(
            "digits",
            Path("/models/digits"),
            config.Specific((42, 43)),
            {"stable": 42, "canary": 43},
            "tensorflow",
        ),
        config.ModelConfig("small", Path("/models/small"), config.Latest(1), {}, "tflite"),
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", config.Latest(1)),
        ("model_version_policy { }", config.Latest(1)),
        ("model_version_policy { latest { } }", config.Latest(1)),
        ("model_version_policy { latest { num_versions: 3 } }", config.Latest(3)),
        ("model_version_policy: { all: {} }", config.All()),
    ],
)
def test_version_policies(policy, expected):
    assert one(policy).policy == expected


def test_flags_and_messages_give_the_same_as_the_text():
    assert config.from_flags("m", "/m") == (one(),)
    message = text_format.Parse(TEXT, model_server_config_pb2.ModelServerConfig())
    assert config.from_message(message) == parse(TEXT)


def test_a_relative_base_path_is_under_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.from_flags("m", "models/m")[0].base_path == tmp_path / "models/m"


def test_names_the_file_and_the_line_of_a_malformed_config():
    words = (
        '^models.config: Error parsing text-format tensorflow.serving.ModelServerConfig: 3:.*"nam"'
    )
    with pytest.raises(UserError, match=words):
        parse("model_config_list {\n  config {\n    nam: 'x'\n  }\n}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("improper {", "Error parsing text-format tensorflow.serving.ModelServerConfig"),
        ("model_config_list { config { base_path: '/m' } }", "has no name"),
        ("model_config_list { config { name: 'm' } }", "Model m has no base path"),
        (
            "model_config_list { config { name: 'm' base_path: 's3:/b/m' } }",
            "an address has two slashes: s3://b/m",
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
def test_rejects_what_cannot_be_served(text, words):
    with pytest.raises(UserError, match=re.escape(words)):
        parse(text)


def test_an_empty_file_serves_nothing_at_first_and_takes_nothing_away_later():
    assert parse("") == ()
    with pytest.raises(UserError, match="Taking no action for empty config"):
        parse("", again=True)
    assert parse("model_config_list { }", again=True) == ()


def test_a_file_that_is_not_text():
    with pytest.raises(UserError, match="Error parsing text-format"):
        config.parse(b"\xff\xfe\x00", PATH)
