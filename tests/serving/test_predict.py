import json

import numpy as np
import PIL.Image
import pytest
import stub_server

from digitline.base.errors import UserError
from digitline.export.publication import versions
from digitline.serving import artifacts as runtime
from digitline.serving import predict

from support import call, digitline, python


@pytest.fixture
def pictures(test_images, tmp_path):
    paths = []
    for index in range(4):
        paths.append(tmp_path / f"{index}.png")
        PIL.Image.fromarray(test_images[0][index, :, :, 0]).save(paths[-1])
    return [str(path) for path in paths]


def flags(exported):
    return {
        "SavedModel": f"--saved_model={exported.saved_model}",
        "TFLite": f"--tflite={exported.tflite}",
    }


def test_both_artifacts_give_the_same_answers_in_the_order_asked(exported, pictures):
    answers = [
        call(predict.COMMAND, [flag, *pictures])["predictions"] for flag in flags(exported).values()
    ]
    for one, other in zip(*answers, strict=True):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)
        assert one["label"] == str(one["class"])
        assert sum(one["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert [each["file"] for each in answers[0]] == pictures


def test_without_a_model_the_one_in_the_box_answers(test_images, tmp_path):
    images, labels = test_images
    paths = []
    for index in range(60):
        paths.append(str(tmp_path / f"{index}.png"))
        PIL.Image.fromarray(images[index, :, :, 0]).save(paths[-1])
    found = call(predict.COMMAND, paths)["predictions"]
    right = sum(each["class"] == label for each, label in zip(found, labels, strict=False))
    assert right >= 58
    done = digitline("predict", paths[0], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{paths[0]}: {labels[0]} (")
    # Its files are as they were published.
    checked, wrong = versions.check(predict.BOXED)
    assert (checked, wrong) == ([predict.BOXED], [])
    assert (predict.BOXED / "model.tflite").stat().st_size < 100_000
    manifest = json.loads((predict.BOXED / "manifest.json").read_text())
    assert manifest["figures"]["accuracy"] > 0.99
    assert "data_dir" not in manifest["run"]


def test_json(exported, pictures):
    done = digitline("predict", flags(exported)["TFLite"], *pictures, "--json")
    found = json.loads(done.stdout)["predictions"]
    assert [set(each) >= {"file", "class", "label", "probability"} for each in found] == [True] * 4


def test_a_picture_that_is_none_does_not_stop_the_others(exported, pictures, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    bad = str(tmp_path / "bad.png")
    done = digitline("predict", flags(exported)["TFLite"], pictures[0], bad, pictures[1])
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == pictures[:2]
    assert f"digitline predict: error: {bad}: not a picture" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_blank_picture_is_said_to_be_one(exported, tmp_path):
    PIL.Image.new("L", (90, 40), "white").save(tmp_path / "blank.png")
    done = digitline("predict", flags(exported)["TFLite"], tmp_path / "blank.png")
    assert done.returncode == 0
    assert "the picture is blank" in done.stdout


def test_tflite_needs_no_tensorflow(exported, pictures, tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        "from digitline.serving import predict; from digitline.base import command\n"
        "command.main(predict.COMMAND, ['digitline predict', *sys.argv[1:]])\n"
    )
    done = python(code, flags(exported)["TFLite"], pictures[0], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_base_path_stands_for_its_newest_version(exported):
    found = runtime.open_saved_model(exported.saved_model.parent)
    assert found.path == exported.saved_model
    assert found.labels == tuple("0123456789")
    assert found.image_shape == (28, 28, 1)


def test_any_number_of_images(exported, test_images):
    images = test_images[0]
    for classifier in (
        runtime.open_saved_model(exported.saved_model),
        runtime.open_tflite(exported.tflite),
    ):
        whole = classifier.run(images)
        assert whole["probabilities"].shape == (300, 10)
        single = classifier.run(images[7:8])
        np.testing.assert_allclose(single["probabilities"][0], whole["probabilities"][7], atol=1e-5)


def test_what_is_no_model_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_text("no model")
    (tmp_path / "model.tflite").write_text("no model")
    for opened, path, message in (
        (runtime.open_saved_model, tmp_path / "none", "no such folder"),
        (runtime.open_saved_model, tmp_path / "empty", "neither a SavedModel nor a folder"),
        (runtime.open_saved_model, tmp_path / "broken", "not a SavedModel that loads"),
        (runtime.open_tflite, tmp_path / "none.tflite", "no such file"),
        (runtime.open_tflite, tmp_path / "model.tflite", "not a TFLite file that loads"),
    ):
        with pytest.raises(UserError) as caught:
            opened(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)


def test_a_model_with_another_signature_is_refused(tmp_path):
    from digitline.base.tf import tf

    module = tf.Module()
    module.call = tf.function(
        lambda x: {"y": x}, input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")]
    )
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.call})
    with pytest.raises(UserError, match=r"takes float32 \[None, 4\]; raw images were expected"):
        runtime.open_saved_model(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tflite=a", "--saved_model=b", "a.png"], "give one of"),
        (["--tflite=a"], "which picture?"),
        (["--tflite=a", "--server=grpc://b", "a.png"], "give one of"),
        (["--server=grpc://b"], "which picture?"),
        (["--server=localhost:8500", "a.png"], "expected grpc://host:port or http://host:port"),
        (["--server=grpc://b", "--version=1", "--label=c", "a.png"], "a version or a label"),
        (["--version=1", "a.png"], "--version is of a model on a server"),
        (["--label=b", "a.png"], "--label is of a model on a server"),
        (["--server=grpc://b", "--timeout=0", "a.png"], "--timeout"),
        (["--server=grpc://b", "--tls_cert=c", "a.png"], "needs its key"),
    ],
)
def test_mistakes(arguments, message):
    done = digitline("predict", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_an_empty_label_is_none(pictures):
    found = call(predict.COMMAND, ["--label=", pictures[0]])
    assert found["model"] == str(predict.BOXED / "model.tflite")
    stub = stub_server.rest_stub()
    for flags, version in ((["--label="], None), (["--label=", "--version=2"], 2)):
        stub.requests.clear()
        found = call(predict.COMMAND, [f"--server={stub.address}", *flags, pictures[0]])
        assert found["model"] == f"{stub.address} default" + (f"/{version}" if version else "")
        assert {request[1:] for request in stub.requests} == {("default", version, None)}
    stub.stop()


@pytest.fixture(scope="module", params=["grpc", "http"])
def server(request):
    stub = stub_server.grpc_stub() if request.param == "grpc" else stub_server.rest_stub()
    yield stub
    stub.stop()


def test_a_server_answers_as_an_artifact_does(server, pictures, test_images, tmp_path):
    PIL.Image.new("L", (90, 40), "white").save(tmp_path / "blank.png")
    (tmp_path / "bad.png").write_text("no picture")
    names = [*pictures, str(tmp_path / "bad.png"), str(tmp_path / "blank.png")]
    done = digitline("predict", f"--server={server.address}", *names, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["model"] == f"{server.address} default"
    assert len(found["errors"]) == 1
    assert [each["file"] for each in found["predictions"]] == [*pictures, names[-1]]
    local = call(predict.COMMAND, pictures)["predictions"]
    expected = stub_server.probabilities(test_images[0][:4])
    for each, own, right in zip(found["predictions"], local, expected, strict=False):
        assert set(each) == set(own)
        np.testing.assert_allclose(each["probabilities"], right)
        assert each["class"] == right.argmax()
        assert each["label"] == str(each["class"])
        assert each["probability"] == pytest.approx(right.max())
    assert "the picture is blank" in found["predictions"][-1]["note"]


def test_a_server_that_names_its_classes(server, pictures, test_images):
    flags = [f"--server={server.address}", "--model_name=digits", "--version=2"]
    found = call(predict.COMMAND, [*flags, "--signature=classify", *pictures])
    assert found["model"] == f"{server.address} digits/2"
    expected = stub_server.probabilities(test_images[0][:4])
    for each, right in zip(found["predictions"], expected, strict=True):
        assert each["label"] == stub_server.NAMES[right.argmax()]
        assert each["class"] is None
        assert each["labels"][0] == each["label"]
        assert each["probabilities"][0] == each["probability"] == pytest.approx(right.max())


def test_many_pictures_are_asked_in_batches(server, pictures):
    server.sizes.clear()
    found = call(predict.COMMAND, [f"--server={server.address}", *pictures * 10])
    assert server.sizes == [32, 8]
    assert [each["file"] for each in found["predictions"]] == pictures * 10


def test_a_server_that_does_not_answer_is_named(server, pictures):
    done = digitline("predict", f"--server={server.address}", "--model_name=cats", pictures[0])
    assert done.returncode == 1
    assert "model 'cats': Servable not found for request: Latest(cats)" in done.stderr
    done = digitline("predict", f"--server={server.address}", "--signature=echo", pictures[0])
    assert "expected images, uint8 [N, height, width, channels]" in done.stderr
    nobody = f"{server.address.partition(':')[0]}://127.0.0.1:1"
    done = digitline("predict", f"--server={nobody}", pictures[0], "--json")
    assert done.returncode == 1
    assert f"nothing listens at {nobody}; is `digitline serve`" in done.stderr
    assert json.loads(done.stdout)["code"] == "UNAVAILABLE"
    assert "Traceback" not in done.stderr


def test_a_server_needs_no_tensorflow(server, pictures, tmp_path):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'ai_edge_litert'): sys.modules[name] = None\n"
        "from digitline.serving import predict; from digitline.base import command\n"
        "command.main(predict.COMMAND, ['digitline predict', *sys.argv[1:]])\n"
    )
    done = python(code, f"--server={server.address}", pictures[0], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{pictures[0]}: ")
