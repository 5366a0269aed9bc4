import concurrent.futures
import contextlib
import functools
import gc
import os
import re
import shutil
import threading
import time
import weakref

import numpy as np
import pytest
from served import wait

from digitline.base import files, manifests
from digitline.base.tf import tf
from digitline.serving.core import executor, loading, warmup
from digitline.serving.core.config import All, Latest, ModelConfig, Specific
from digitline.serving.core.inference import Target
from digitline.serving.core.manager import Manager
from digitline.serving.flags import ServeOptions
from digitline.serving.protocol.models import State
from digitline.serving.protocol.status import StatusError

FAST = {"file_system_poll_wait_seconds": 0.05, "load_retry_interval_micros": 50_000}


class Add(tf.Module):
    def __init__(self, number):
        super().__init__()
        self.number = tf.Variable(float(number))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def call(self, x):
        return {"y": x + self.number}


@pytest.fixture(scope="module", autouse=True)
def only_young_garbage():
    """Each unloaded model collects garbage: not all that other tests left, as in a server."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """A SavedModel for each number below 4, which adds it."""
    folder = tmp_path_factory.mktemp("templates")
    for number in range(4):
        module = Add(number)
        tf.saved_model.save(module, str(folder / str(number)), {"serving_default": module.call})
    return folder


@pytest.fixture
def publish(templates, tmp_path):
    """Puts a version that adds `number` under a base path, in one rename."""

    def put(version, number=None, model="m"):
        base = tmp_path / model
        base.mkdir(exist_ok=True)
        number = int(version) % 4 if number is None else number
        shutil.copytree(templates / str(number), base / ".new")
        os.rename(base / ".new", base / str(version))
        return base / str(version)

    return put


@pytest.fixture
def start():
    """Makes managers that are closed at the end."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(2))

        def make(configs=None, loader=load, on_change=lambda *_: None, **options):
            manager = Manager(
                loader,
                lambda _, __, servable: executor.direct(servable, pool),
                ServeOptions(**{**FAST, **options}),
                on_change,
            )
            stack.callback(manager.close)
            if configs is not None:
                manager.apply(configs)
            return manager

        yield make


def load(folder, platform="tensorflow"):
    return loading.load(folder, platform, ServeOptions())


def break_version(folder):
    """Leaves a version half-written."""
    variables = folder / "variables" / "variables.index"
    variables.write_bytes(variables.read_bytes()[:10])


def answer(manager, name="m", **which):
    with manager.lease(Target(name, **which)) as lease:
        (y,) = lease.servable.run("serving_default", {"x": np.float32([100])}, ["y"])
        return lease.version, int(y[0]) - 100


def states(manager, name="m"):
    return {each.version: each.state for each in manager.status(Target(name))}


@pytest.fixture
def config(tmp_path):
    def make(name="m", policy=None, base=None, **labels):
        return ModelConfig(name, tmp_path / (base or name), policy or Latest(), labels)

    return make


def test_the_latest_version_answers_as_soon_as_the_configuration_is_in_force(
    publish, start, config
):
    publish("00000001")
    publish("00000003")
    manager = start([config()])
    assert answer(manager) == (3, 3)
    assert manager.ready()
    assert manager.names() == ["m"]
    (status,) = manager.status(Target("m"))
    assert (status.version, status.state, status.error_code) == (3, State.AVAILABLE, 0)
    manager.opened = False  # As between the load of the last model and this: requests are refused.
    assert not manager.ready()
    assert int(status.state) == 30


def test_no_request_fails_or_goes_back_while_versions_are_swapped(publish, start, config):
    publish(1)
    manager = start([config()])
    seen, wrong, stop = [], [], threading.Event()

    def ask():
        last = 0
        while not stop.is_set():
            try:
                version, added = answer(manager)
                if added != version % 4 or version < last:
                    wrong.append((version, added, last))
                last = version
                seen.append(version)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in (2, 3, 4, 5):
        publish(version)
        wait(lambda version=version: seen[-1:] == [version])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    wait(lambda: states(manager)[4] is State.END)
    assert states(manager) == {
        5: State.AVAILABLE,
        4: State.END,
        3: State.END,
        2: State.END,
        1: State.END,
    }
    assert [status.version for status in manager.status(Target("m"))] == [5, 4, 3, 2, 1]


def test_a_version_that_is_held_runs_on_until_it_is_released(publish, start, config):
    publish(1)
    manager = start([config()])
    with manager.lease(Target("m")) as lease:
        publish(2)
        wait(lambda: states(manager)[1] is State.UNLOADING)
        assert answer(manager) == (2, 2)
        with pytest.raises(StatusError, match="NOT_FOUND"):
            answer(manager, version=1)
        (y,) = lease.servable.run("serving_default", {"x": np.float32([5])}, ["y"])
        assert y.tolist() == [6]
        assert states(manager)[1] is State.UNLOADING
    wait(lambda: states(manager)[1] is State.END)


def test_state_changes_are_reported_in_order(publish, start, config):
    changes = []
    publish(1)
    manager = start(
        [config()], on_change=lambda name, each: changes.append((name, each.version, each.state))
    )
    publish(2)
    wait(lambda: changes[-1][1:] == (1, State.END))
    manager.close()
    life = [State.START, State.LOADING, State.AVAILABLE, State.UNLOADING, State.END]
    for version in (1, 2):
        assert [each[2] for each in changes if each[1] == version] == life
    assert changes.index(("m", 2, State.AVAILABLE)) < changes.index(("m", 1, State.UNLOADING))


def test_a_broken_version_leaves_the_old_one_answering(publish, start, config):
    publish(1)
    manager = start([config()], max_num_load_retries=1)
    break_version(publish(2))
    wait(lambda: states(manager).get(2) is State.END)
    broken = manager.status(Target("m"))[0]
    assert broken.error_code != 0
    assert broken.error_message
    assert answer(manager) == (1, 1)
    assert manager.ready()


def seal(folder):
    """Gives a version a manifest, as `digitline export` does."""
    digests = {name: vars(file) for name, file in manifests.digests(folder).items()}
    (folder / "assets.extra").mkdir()
    files.write_json(folder / "assets.extra" / "digitline.json", {"files": digests})
    return folder


def flip(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: flip(it / "variables/variables.data-00000-of-00001"), "0001: other content"),
        (lambda it: (it / "fingerprint.pb").unlink(), "m/2/fingerprint.pb: missing; restore"),
        (lambda it: (it / "assets.extra/digitline.json").write_text("{}"), "not a manifest of"),
    ],
)
def test_a_version_that_is_not_as_published_leaves_the_old_one_answering(
    change, message, publish, start, config, tmp_path
):
    seal(publish(1))
    manager = start([config()], max_num_load_retries=0)
    folder = seal(publish(2, model="elsewhere"))
    change(folder)
    os.rename(folder, tmp_path / "m" / "2")
    wait(lambda: states(manager).get(2) is State.END)
    assert message in manager.status(Target("m"))[0].error_message
    assert answer(manager) == (1, 1)
    if "fingerprint" in message:  # Which a model loads without.
        options = ServeOptions(verify=False)
        loading.load(tmp_path / "m" / "2", "tensorflow", options).close()


def test_a_broken_version_that_is_completed_is_taken_at_once(publish, start, config, templates):
    publish(1)
    manager = start([config()], load_retry_interval_micros=3_600_000_000)
    half = publish(2)
    break_version(half)
    manager_status = functools.partial(states, manager)
    wait(lambda: manager_status().get(2) is State.LOADING)
    shutil.copytree(templates / "2", half, dirs_exist_ok=True)
    wait(lambda: answer(manager) == (2, 2))


def test_a_folder_without_a_model_is_not_a_version(publish, start, config, templates, tmp_path):
    publish(1)
    manager = start([config()])
    (tmp_path / "m" / "2" / "variables").mkdir(parents=True)
    publish(1, model="other")
    manager.apply([config(), config("other")])  # Looks at all folders once more.
    assert states(manager) == {1: State.AVAILABLE}
    shutil.copytree(templates / "2", tmp_path / "m" / "2", dirs_exist_ok=True)
    wait(lambda: answer(manager) == (2, 2))


def test_a_load_is_retried_as_often_as_the_flag_says_and_others_do_not_wait(publish, start, config):
    tries = []

    def loader(folder, platform):
        if folder.parent.name == "bad":
            tries.append(folder)
            raise RuntimeError("no luck\nand a long story")
        return load(folder)

    publish(1, model="bad")
    publish(1)
    manager = start(loader=loader, num_load_threads=1, max_num_load_retries=2)
    message = (
        "UNKNOWN: 1 model(s) did not become available: "
        "{{{name: bad version: 1} due to error: INTERNAL: no luck}}"
    )
    with pytest.raises(StatusError, match=f"^{re.escape(message)}$"):
        manager.apply([config("bad"), config()])
    assert len(tries) == 3
    assert answer(manager) == (1, 1)
    assert not manager.ready()
    (status,) = manager.status(Target("bad"))
    assert (status.state, status.error_code, status.error_message) == (State.END, 13, "no luck")


def test_files_that_change_while_they_are_loaded_are_loaded_again(publish, start, config):
    loads = []

    def loader(folder, platform):
        found = load(folder)
        loads.append(folder)
        if len(loads) == 1:
            (folder / "assets.late").touch()
        return found

    publish(1)
    manager = start([config()], loader=loader)
    assert len(loads) == 2
    assert answer(manager) == (1, 1)


def test_a_version_is_warmed_up_before_it_answers(publish, start, config, monkeypatch):
    publish(1)
    warmed, go = [], threading.Event()

    def warm(folder, servable, iterations):
        warmed.append(folder.name)
        assert folder.name == "1" or go.wait(20)

    monkeypatch.setattr(warmup, "replay", warm)
    manager = start([config()])
    publish(2)
    wait(lambda: warmed == ["1", "2"])
    assert answer(manager) == (1, 1)
    assert states(manager)[2] is State.LOADING
    go.set()
    wait(lambda: answer(manager) == (2, 2))


def test_a_warm_up_that_fails_is_a_load_that_fails(publish, start, config):
    publish(1)
    path = publish(2) / warmup.FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"malformed_record")
    manager = start(max_num_load_retries=0)
    with pytest.raises(StatusError, match="INVALID_ARGUMENT: Failed to parse warmup record"):
        manager.apply([config(policy=Latest(2)), config("n", base="m")])
    assert answer(manager) == (1, 1)
    wait(lambda: manager.status(Target("m", version=2))[0].error_code == 3)


def test_taking_the_newest_version_away_brings_the_one_before_back(publish, start, config):
    publish(1)
    newest = publish(2)
    manager = start([config()])
    assert states(manager) == {2: State.AVAILABLE}
    shutil.rmtree(newest)
    wait(lambda: answer(manager) == (1, 1))
    wait(lambda: states(manager) == {1: State.AVAILABLE, 2: State.END})


@pytest.mark.parametrize("vanishes", ["version", "base path"])
def test_what_is_loaded_answers_on_when_its_folder_is_gone(
    publish, start, config, tmp_path, vanishes, caplog
):
    publish(1)
    manager = start([config()])
    shutil.rmtree(tmp_path / "m" / ("1" if vanishes == "version" else ""))
    words = "No versions of servable m" if vanishes == "version" else "Could not find base path"
    wait(lambda: words in caplog.text)
    publish(1, model="other")
    manager.apply([config(), config("other")])
    assert answer(manager) == (1, 1)
    assert caplog.text.count(words) == 1
    publish(2)
    wait(lambda: answer(manager) == (2, 2))


def test_policies_say_which_versions_answer(publish, start, config):
    for version in (1, 2, 3):
        publish(version)
    manager = start([config(policy=Specific((1, 2)))])
    wait(lambda: states(manager) == {1: State.AVAILABLE, 2: State.AVAILABLE})
    assert answer(manager) == (2, 2)
    assert answer(manager, version=1) == (1, 1)
    manager.apply([config(policy=All())])
    wait(lambda: answer(manager) == (3, 3))
    assert answer(manager, version=1) == (1, 1)
    manager.apply([config(policy=Latest(2))])
    wait(lambda: states(manager)[1] is State.END)
    assert answer(manager, version=2) == (2, 2)


def test_errors_have_the_words_of_tf_serving(publish, start, config):
    publish(1)
    manager = start([config()])
    expected = {
        Target("gone"): "NOT_FOUND: Servable not found for request: Latest(gone)",
        Target("m", version=9): "NOT_FOUND: Servable not found for request: Specific(m, 9)",
        Target("m", label="x"): "INVALID_ARGUMENT: Unrecognized servable version label: x",
        Target("gone", label="x"): "INVALID_ARGUMENT: Unrecognized servable version label: x",
        Target(""): "INVALID_ARGUMENT: ModelSpec has no name specified.",
    }
    for target, words in expected.items():
        with (
            pytest.raises(StatusError, match=f"^{re.escape(words)}$"),
            manager.lease(target),
        ):
            pass
    expected = {
        Target("gone"): "NOT_FOUND: Could not find any versions of model gone",
        Target("m", version=9): "NOT_FOUND: Could not find version 9 of model m",
        Target("m", label="x"): "INVALID_ARGUMENT: Unrecognized servable version label: x",
    }
    for target, words in expected.items():
        with pytest.raises(StatusError, match=f"^{re.escape(words)}$"):
            manager.status(target)


def test_labels_name_versions_that_are_available(publish, start, config):
    publish(1)
    publish(2)
    manager = start([config(policy=All())])
    wait(lambda: len(states(manager)) == 2 and set(states(manager).values()) == {State.AVAILABLE})
    manager.apply([config(policy=All(), stable=1, canary=2)])
    assert answer(manager, label="stable") == (1, 1)
    assert answer(manager, label="canary") == (2, 2)
    assert [each.version for each in manager.status(Target("m", label="stable"))] == [1]

    publish(1, model="new")
    message = (
        "FAILED_PRECONDITION: Request to assign label to version 777 of model m, which is not "
        "currently available for inference"
    )
    with pytest.raises(StatusError, match=f"^{message}$"):
        manager.apply([config(policy=Latest(), stable=777), config("new")])
    assert answer(manager, label="stable") == (1, 1)
    assert answer(manager, version=1) == (1, 1)
    assert manager.names() == ["m"]


def test_with_the_flag_a_new_label_waits_for_its_version(publish, start, config):
    publish(1)
    manager = start([config(stable=1, next=2)], allow_version_labels_for_unavailable_models=True)
    assert answer(manager, label="stable") == (1, 1)
    with pytest.raises(StatusError, match=r"NOT_FOUND.*Specific\(m, 2\)"):
        answer(manager, label="next")
    with pytest.raises(StatusError, match="FAILED_PRECONDITION"):
        manager.apply([config(stable=2, next=2)])
    publish(2)
    wait(lambda: answer(manager) == (2, 2))
    assert answer(manager, label="next") == (2, 2)


def test_models_come_and_go_without_touching_the_others(publish, start, config):
    for model in ("m", "old", "new"):
        publish(1, model=model)
    manager = start([config(), config("old")])
    with manager.lease(Target("m")) as before:
        pass
    manager.apply([config("new"), config()])
    assert answer(manager, "new") == (1, 1)
    with pytest.raises(StatusError, match=r"Latest\(old\)"):
        answer(manager, "old")
    with manager.lease(Target("m")) as after:
        assert after.servable is before.servable
    wait(lambda: states(manager, "old") == {1: State.END})
    manager.apply([config("old"), config(), config("new")])
    assert answer(manager, "old") == (1, 1)


def test_a_base_path_can_move_under_a_version_number(publish, start, config):
    publish(1, 1)
    publish(1, 3, model="elsewhere")
    manager = start([config()])
    manager.apply([config(base="elsewhere")])
    wait(lambda: answer(manager) == (1, 3))
    assert states(manager) == {1: State.AVAILABLE}


def test_a_configuration_that_is_inconsistent_changes_nothing(publish, start, config):
    publish(1)
    manager = start([config()])
    with pytest.raises(StatusError, match=r"Could not find base path .*gone for servable gone"):
        manager.apply([config("gone")])
    moved = ModelConfig("m", config().base_path, platform="tflite")
    with pytest.raises(StatusError, match="Illegal to change a model's platform"):
        manager.apply([moved])
    assert answer(manager) == (1, 1)


def test_a_model_without_versions_is_waited_for_but_not_by_apply(
    publish, start, config, tmp_path, caplog
):
    (tmp_path / "m").mkdir()
    manager = start([config()])
    assert not manager.ready()
    assert "No versions of servable m found under base path" in caplog.text
    publish(1)
    wait(manager.ready)
    assert answer(manager) == (1, 1)


@pytest.mark.parametrize(("poll", "first"), [(0, [1]), (-1, [])])
def test_without_polling_folders_are_looked_at_once_or_never(publish, start, config, poll, first):
    publish(1)
    manager = start([config()], file_system_poll_wait_seconds=poll)
    if not first:
        assert not manager.ready()
        return
    publish(2)
    publish(1, model="other")
    time.sleep(0.2)  # Longer than any poll of these tests.
    assert list(states(manager)) == first
    manager.apply([config(), config("other")])
    wait(lambda: answer(manager) == (2, 2))
    wait(lambda: states(manager)[1] is State.END)


def test_versions_that_were_replaced_leave_nothing_behind(publish, start, config):
    alive, closed = [], []

    def loader(folder, platform):
        found = load(folder)
        alive.append(weakref.ref(found.run.__self__))

        def close():
            found.close()
            closed.append(folder.name)

        return type(found)(found.signatures, found.signature_defs, found.run, close)

    publish(1)
    manager = start([config()], loader=loader)
    for version in range(2, 12):
        publish(version)
        wait(lambda version=version: answer(manager) == (version, version % 4))
    wait(lambda: len(closed) == 10)
    wait(lambda: states(manager)[10] is State.END)
    assert closed == [str(version) for version in range(1, 11)]
    gc.collect()
    assert [reference() is not None for reference in alive] == [False] * 10 + [True]


def test_closing_unloads_all_but_what_is_still_held(publish, start, config):
    publish(1)
    publish(1, model="n")
    manager = start([config(), config("n")])
    with manager.lease(Target("m")) as lease:
        manager.close()
        assert states(manager, "n") == {1: State.END}
        (y,) = lease.servable.run("serving_default", {"x": np.float32([1])}, ["y"])
        assert y.tolist() == [2]
        with pytest.raises(StatusError, match="NOT_FOUND"):
            answer(manager)
    wait(lambda: states(manager) == {1: State.END})
    with pytest.raises(StatusError, match="UNAVAILABLE"):
        manager.apply([config()])
