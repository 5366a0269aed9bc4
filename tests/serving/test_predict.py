import io
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import stub_server
from served import serving

import digitline
from digitline.base.errors import UsageError, UserError
from digitline.export.publication import check
from digitline.serving import artifacts, predict
from digitline.serving.prediction.model import BOXED

from support import call, python


@pytest.fixture
def pictures(test_images, tmp_path):
    paths = []
    for index in range(4):
        paths.append(tmp_path / f"{index}.png")
        PIL.Image.fromarray(test_images[0][index, :, :, 0]).save(paths[-1])
    return [str(path) for path in paths]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Where there are no runs, whose newest export would answer."""
    monkeypatch.chdir(tmp_path)


def predicted(*arguments):
    return call(predict.COMMAND, arguments)


def test_both_artifacts_give_the_same_answers_in_the_order_asked(exported, pictures):
    flags = (f"--saved_model={exported.saved_model}", f"--tflite={exported.tflite}")
    answers = [predicted(flag, *pictures)["predictions"] for flag in flags]
    for one, other in zip(*answers, strict=True):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)
        assert one["label"] == str(one["class"])
        assert sum(one["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert [prediction["file"] for prediction in answers[0]] == pictures


def test_python_gets_the_answers_of_the_command(exported, pictures):
    model = digitline.load(exported.saved_model.parent)
    assert model.name == str(exported.saved_model)
    predictions = predicted(f"--saved_model={exported.saved_model}", *pictures)["predictions"]
    assert [answer.to_json() for answer in model.predict(pictures)] == predictions


def test_without_a_model_the_one_in_the_box_answers(test_images, tmp_path):
    images, labels = test_images
    paths = []
    for index in range(60):
        paths.append(str(tmp_path / f"{index}.png"))
        PIL.Image.fromarray(images[index, :, :, 0]).save(paths[-1])
    predictions = predicted(*paths)["predictions"]
    classes = np.array([prediction["class"] for prediction in predictions])
    assert (classes == labels[:60]).sum() >= 58
    # Its files are as they were published.
    result = check.check(BOXED)
    assert result == check.Checked((BOXED,), ())
    assert (BOXED / "model.tflite").stat().st_size < 100_000
    manifest = json.loads((BOXED / "manifest.json").read_text())
    assert manifest["figures"]["accuracy"] > 0.99
    assert "data_dir" not in manifest["run"]


def test_a_file_that_is_not_a_picture_does_not_stop_the_others(pictures, tmp_path):
    bad, blank = tmp_path / "bad.png", tmp_path / "blank.png"
    bad.write_text("not a picture")
    PIL.Image.new("L", (90, 40), "white").save(blank)
    options = predict.PredictOptions(pictures=(pictures[0], str(bad), str(blank)))
    result = predict.run(options)
    (error,) = predict.COMMAND.errors(result)
    assert error.startswith(f"{bad}: not a picture of a kind that is read")
    first, second = predict.COMMAND.text(result).splitlines()
    assert first == f"{pictures[0]}: 7 ({result.predictions[0].probability:.2%})"
    assert second == f"{blank}: blank: there is nothing to recognize in the picture"


def test_a_table_for_kaggle_and_one_of_files(pictures, test_images, tmp_path):
    rows = tmp_path / "rows.csv"
    np.savetxt(rows, test_images[0][:3].reshape(3, -1), "%d", ",")
    words = {"tflite": BOXED / "model.tflite", "output": "csv"}
    text = predict.COMMAND.text
    table = text(predict.run(predict.PredictOptions(**words, pictures=(str(rows),))))
    assert table == "ImageId,Label\n1,7\n2,2\n3,1"
    table = text(predict.run(predict.PredictOptions(**words, pictures=(pictures[0], str(rows)))))
    assert table.splitlines()[:3] == ["file,label", f"{pictures[0]},7", f'"{rows}, row 1",7']


def test_the_model_of_a_run_and_the_newest(exported, well_trained, pictures, tmp_path, monkeypatch):
    tflite = exported.tflite
    flags = [f"--workdir={well_trained.workdir}", f"--export_dir={exported.export_dir}"]
    result = predicted(*flags, "--top_k=3", pictures[0])
    assert result["model"] == str(tflite)
    assert 0 < result["threshold"] < 1
    (prediction,) = result["predictions"]
    assert prediction["answer"] == "class"
    best = np.argsort(prediction["probabilities"])[::-1][:3]
    assert [candidate["class"] for candidate in prediction["top"]] == best.tolist()
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported.export_dir, "exports")
    shutil.copytree(well_trained.workdir, "runs/lenet5")
    assert predicted(pictures[0])["model"] == str(
        Path("exports") / tflite.relative_to(exported.export_dir)
    )
    shutil.rmtree("exports")
    with pytest.raises(UserError, match="exports holds no export of the run in runs/lenet5"):
        predicted(pictures[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tflite=a", "--saved_model=b", "a.png"], "give one of"),
        (["--tflite=a"], r"which picture\?"),
        (["--tflite=a", "--server=grpc://b", "a.png"], "give one of"),
        (["--server=grpc://b"], r"which picture\?"),
        (["--server=localhost:8500", "a.png"], "expected grpc://host:port or http://host:port"),
        (["--server=grpc://b", "--version=1", "--label=c", "a.png"], "a version or a label"),
        (["--version=1", "a.png"], "--version is of a model on a server"),
        (["--label=b", "a.png"], "--label is of a model on a server"),
        (["--server=grpc://b", "--timeout=0", "a.png"], "--timeout"),
        (["--workdir=a", "--tflite=b", "a.png"], "give one of"),
        (["--signature=classify", "a.png"], "--signature is of a model on a server"),
        (["--top_k=0", "a.png"], "--top_k"),
        (["--output=xml", "a.png"], "unknown output 'xml'"),
        (["--output=csv", "--json", "a.png"], "not both"),
        (["--server=grpc://b", "--tls_cert=c", "a.png"], "needs its key"),
    ],
)
def test_rejects_flags_that_do_not_go_together(arguments, message):
    with pytest.raises(UsageError, match=message):
        predicted(*arguments)


def test_an_empty_label_is_none(stubs, pictures):
    assert predicted("--label=", pictures[0])["model"] == str(BOXED / "model.tflite")
    stub = stubs["http"]
    for flags, version in ((["--label="], None), (["--label=", "--version=2"], 2)):
        stub.reset()
        result = predicted(f"--server={stub.address}", *flags, pictures[0])
        assert result["model"] == f"{stub.address} default" + (f"/{version}" if version else "")
        assert {request[1:] for request in stub.requests} == {("default", version, None)}


def test_a_server_answers_as_an_artifact_does(stub, pictures, test_images):
    names = pictures * 10
    result = predicted(f"--server={stub.address}", "--signature=serving_default", *names)
    assert stub.batch_sizes == [2, 32, 8]  # The first asks for the classes' names.
    assert result["model"] == f"{stub.address} default"
    assert [prediction["file"] for prediction in result["predictions"]] == names
    (local, *_) = predicted(pictures[0])["predictions"]
    expected = stub_server.probabilities(test_images[0][:4])
    for prediction, probabilities in zip(result["predictions"], expected, strict=False):
        assert set(prediction) == set(local)
        np.testing.assert_allclose(prediction["probabilities"], probabilities)
        assert prediction["class"] == probabilities.argmax()
        assert prediction["label"] == stub_server.NAMES[prediction["class"]]
        assert prediction["probability"] == pytest.approx(probabilities.max())


def test_a_server_gets_the_files_themselves(stub, pictures, test_images, tmp_path, capsys):
    image = PIL.Image.fromarray(test_images[0][3, ..., 0])
    turned, other = tmp_path / "turned.jpg", tmp_path / "other.webp"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # To be turned to the right.
    image.transpose(PIL.Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=100)
    image.save(other, lossless=True)
    small = tmp_path / "small.png"  # Which this server's graph does not take.
    PIL.Image.linear_gradient("L").resize((5, 4)).save(small)
    options = predict.PredictOptions(
        server=stub.address, pictures=(*pictures, str(turned), str(other), str(small))
    )
    result = predict.run(options)
    assert stub.files[0] == Path(pictures[0]).read_bytes()
    upright, converted = (PIL.Image.open(io.BytesIO(file)) for file in stub.files[4:6])
    assert upright.format == converted.format == "PNG"
    np.testing.assert_allclose(np.asarray(upright, int), np.asarray(image, int), atol=12)
    np.testing.assert_array_equal(np.asarray(converted)[..., 0], np.asarray(image))
    assert [one.label for one in result.predictions[:4]] == [
        stub_server.NAMES[number]
        for number in stub_server.probabilities(test_images[0][:4]).argmax(axis=1)
    ]
    assert result.predictions[5].label == result.predictions[3].label
    (error,) = result.errors
    assert error.startswith(f"{small}: ")
    assert "takes pixels" not in capsys.readouterr().err
    predicted(f"--server={stub.address}", "--digits", pictures[0])
    assert stub.batch_sizes[-1] == 1  # Of pixels, in which the digit was found here.


def test_a_server_that_names_its_classes(stub, pictures, test_images):
    flags = [f"--server={stub.address}", "--model_name=digits", "--version=2"]
    result = predicted(*flags, "--signature=classify", *pictures)
    assert result["model"] == f"{stub.address} digits/2"
    expected = stub_server.probabilities(test_images[0][:4])
    for prediction, probabilities in zip(result["predictions"], expected, strict=True):
        assert prediction["label"] == stub_server.NAMES[probabilities.argmax()]
        assert prediction["class"] is None
        assert prediction["labels"][0] == prediction["label"]
        assert prediction["probability"] == pytest.approx(probabilities.max())
        assert prediction["probabilities"][0] == prediction["probability"]


def _unsure(images):
    """Of digits over each other, those that the model in the box is least sure of."""
    blends = images[:20, np.newaxis] // 2 + images[np.newaxis, :20] // 2
    blends = blends.reshape(-1, *images.shape[1:])
    probabilities = artifacts.open_tflite(BOXED / "model.tflite").run(blends)["probabilities"]
    return blends[probabilities.max(axis=1).argmin()][..., 0]


def test_our_server_answers_as_its_files_do(exported, test_images, tmp_path, capfd):
    one, two, *_ = test_images[0][..., 0]
    sheet = 255 - np.pad(np.concatenate([one[2:-2, 2:-2], two[2:-2, 2:-2]], axis=1), 6)
    drawn = {"one": one, "blank": one * 0 + 250, "unsure": _unsure(test_images[0]), "two": sheet}
    paths = []
    for name, pixels in drawn.items():
        paths.append(str(tmp_path / f"{name}.png"))
        scale = 1 if name == "unsure" else 4  # In an image of the model's size nothing is sought.
        PIL.Image.fromarray(pixels).resize(np.multiply(pixels.shape, scale)[::-1]).save(paths[-1])
    shutil.copytree(BOXED, tmp_path / "boxed/1")
    rows = tmp_path / "rows.npy"
    np.save(rows, np.stack([one, drawn["blank"]]))
    config = tmp_path / "models.config"
    folders = {"tflite": tmp_path / "boxed", "saved_model": exported.saved_model.parent}
    config.write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{name}" base_path: "{folder}" model_platform: "tensorflow" }}'
            for name, folder in folders.items()
        )
        + "}"
    )
    local = {
        "tflite": predicted(*paths, str(rows)),
        "saved_model": predicted(f"--saved_model={exported.saved_model}", *paths, str(rows)),
    }
    answers = [one["answer"] for one in local["tflite"]["predictions"]]
    assert answers == ["class", "blank", "not_sure", "several_digits", "class", "blank"]
    capfd.readouterr()
    with serving(f"--model_config_file={config}") as server:
        for address in (f"grpc://127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest}"):
            for name, expected in local.items():
                result = predicted(f"--server={address}", f"--model_name={name}", *paths, str(rows))
                assert result["threshold"] == expected["threshold"] > 0
                for there, here in zip(result["predictions"], expected["predictions"], strict=True):
                    for key in ("file", "answer", "class", "label"):
                        assert there[key] == here[key]
                    assert there["probabilities"] == pytest.approx(here["probabilities"], abs=1e-4)
    assert "does not" not in capfd.readouterr().err


def test_names_a_server_that_does_not_answer(stub, pictures):
    server = f"--server={stub.address}"
    with pytest.raises(UserError, match=r"model 'cats': .* request: Latest\(cats\)"):
        predicted(server, "--model_name=cats", pictures[0])
    with pytest.raises(UserError, match=r"expected .*uint8 \[N, height, width, channels\]"):
        predicted(server, "--signature=echo", pictures[0])
    nobody = f"{stub.address.partition(':')[0]}://127.0.0.1:1"
    with pytest.raises(UserError, match=f"nothing listens at {nobody}") as caught:
        predicted(f"--server={nobody}", "--timeout=0.3", pictures[0])
    assert caught.value.details["code"] == "UNAVAILABLE"


def test_needs_tensorflow_only_for_a_saved_model(stubs, pictures, tmp_path):
    code = (
        "import sys\n"
        "from digitline.base import command; from digitline.serving import predict\n"
        "for flags in ([], *([f'--server={address}'] for address in sys.argv[2:])):\n"
        "    print(predict.COMMAND.text(command.call(predict.COMMAND, [*flags, sys.argv[1]])))\n"
        "heavy = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    addresses = [stub.address for stub in stubs.values()]
    done = python(code, pictures[0], *addresses, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{pictures[0]}: ") for line in lines)
