import json
import shutil
import struct
import subprocess
import sys

import mutants
import numpy as np
import pytest
from served import serving, wait

from digitline.base import manifests
from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.models import evaluate
from digitline.serving import predict
from digitline.serving.core import loading
from digitline.serving.flags import ServeOptions
from digitline.serving.protocol.status import StatusError
from digitline.serving.trials import Question, TrialError, Trials

from support import call


def converted(function):
    signature = [tf.TensorSpec([None, 4], tf.float32, "x")]
    concrete = tf.function(function, input_signature=signature).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


def without_graphs(content):
    """A file that has no graphs, which one byte says: LiteRT crashes."""
    (root,) = struct.unpack_from("<I", content)
    (back,) = struct.unpack_from("<i", content, root)
    damaged = bytearray(content)
    struct.pack_into("<H", damaged, root - back + 4 + 2 * 2, 0)  # The third field.
    return bytes(damaged)


def forever(x):
    return tf.while_loop(lambda v: tf.reduce_sum(v) < 1e30, lambda v: [v * 1.0], [x])[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """TFLite files: a good one, and such as take the process or keep it."""
    good = converted(lambda x: x * 2.0)
    contents = {
        "good": good,
        "crash": without_graphs(good),
        "hang": converted(forever),
        "greedy": converted(lambda x: tf.reduce_sum(tf.fill([200_000, 10_000], x[0, 0]))),
    }
    folder = tmp_path_factory.mktemp("files")
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("crash", "INTERNAL", "loading it and its warm-up ended the process by SIGSEGV"),
        ("hang", "DEADLINE_EXCEEDED", "took more than 1 s, the limit"),
        ("greedy", "RESOURCE_EXHAUSTED", "took more than 300 MB of memory, the limit"),
    ],
)
def test_a_file_that_takes_the_process_is_refused_with_one_line(files, tmp_path, name, code, words):
    file = shutil.copy(files / f"{name}.tflite", tmp_path / "model.tflite")
    seconds = 1 if name == "hang" else 60
    options = ServeOptions(trial_seconds=seconds, trial_megabytes=300)
    with pytest.raises(StatusError, match=f"{code}: {file}: a trial .* failed: .*{words}") as error:
        loading.load(tmp_path, "", options, Trials(options))
    assert "\n" not in str(error.value)


def test_a_saved_model_that_hangs_is_refused(tmp_path):
    module = tf.Module()
    module.call = tf.function(forever, input_signature=[tf.TensorSpec([None, 4], tf.float32)])
    tf.saved_model.save(module, str(tmp_path), {"wait": module.call})
    options = ServeOptions(trial_seconds=5)
    with pytest.raises(TrialError, match=r"a call of the signature 'wait' took more than 5 s"):
        Trials(options).check(Question(tmp_path, mutants.OPTIONS))


@pytest.mark.parametrize(
    ("trial", "tried"), [("auto", [False, True]), ("always", [True, True]), ("never", [False] * 2)]
)
def test_exports_of_ours_are_trusted_where_their_manifest_agrees(exported, tmp_path, trial, tried):
    class Watched(Trials):
        def check(self, question):
            questions.append(question)

    questions, found = [], []
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(exported.tflite, copy)
    for folder in (exported.tflite.parent, copy):
        loading.load(folder, "", ServeOptions(trial=trial), Watched())
        found.append(bool(questions))
        questions.clear()
    assert found == tried
    assert manifests.require_published(exported.tflite)


@pytest.mark.parametrize(
    ("command", "arguments"), [(predict.COMMAND, ["picture.png"]), (evaluate.COMMAND, [])]
)
def test_predict_and_evaluate_survive_it_with_one_line(files, command, arguments):
    with pytest.raises(UserError, match=r"crash.tflite: a trial .* ended the process by SIGSEGV"):
        call(command, [f"--tflite={files / 'crash.tflite'}", *arguments])


def test_a_version_that_crashes_has_failed_and_the_old_one_goes_on(files, tmp_path):
    (tmp_path / "1").mkdir()
    shutil.copy(files / "good.tflite", tmp_path / "1" / "model.tflite")
    flags = (f"--model_base_path={tmp_path}", "--trial=auto", "--max_num_load_retries=0")
    with serving(*flags, "--file_system_poll_wait_seconds=0.1") as server:
        (tmp_path / "2").mkdir()
        shutil.copy(files / "crash.tflite", tmp_path / "2" / "model.tflite")

        def states():
            _, text = server.get("/v1/models/default")
            return {each["version"]: each for each in json.loads(text)["model_version_status"]}

        wait(lambda: states().get("2", {}).get("state") == "END")
        assert "SIGSEGV" in states()["2"]["status"]["error_message"]
        assert states()["1"]["state"] == "AVAILABLE"
        body = json.dumps({"instances": np.ones([2, 4]).tolist()}).encode()
        status, text = server.get("/v1/models/default:predict", body)
        assert (status, json.loads(text)["predictions"][0]) == (200, [2, 2, 2, 2])


def test_the_end_of_the_server_ends_trials(files, tmp_path):
    shutil.copy(files / "hang.tflite", tmp_path / "model.tflite")
    trials = Trials()
    trials.close()
    with pytest.raises(TrialError, match="the server is stopping"):
        trials.check(Question(tmp_path / "model.tflite", mutants.OPTIONS))


@pytest.mark.parametrize(
    ("count", "seed"), [(30, 1), pytest.param(5000, 2, marks=pytest.mark.long)]
)
def test_mutants_that_pass_a_trial_do_no_harm(files, tmp_path, count, seed):
    arguments = map(str, (files / "good.tflite", tmp_path, count, seed))
    found = json.loads(subprocess.check_output([sys.executable, mutants.__file__, *arguments]))
    assert sum(found["ends"].values()) == count
    assert found["harmful"] == []
