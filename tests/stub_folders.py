"""Folders with what `base/catalog.py` reads of runs and exports, and no more."""

import json
import os
import zipfile


def config_of(model="lenet5", dataset="mnist", epochs=5):
    recipe = {"epochs": epochs}
    trained_on = {"name": dataset, "validation_split": "validation"}
    return {"model": model, "recipe_name": "best", "recipe": recipe, "dataset": trained_on}


def make_run(workdir, finished_at=None, **names):
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(json.dumps(config_of(**names)))
    if finished_at is not None:
        with zipfile.ZipFile(workdir / "model.keras", "w") as file:
            file.writestr("weights", "")
        os.utime(workdir / "model.keras", (finished_at, finished_at))
    return workdir


def make_export(folder, created, run):
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(b"")
    manifest = {
        "created": created,
        "figures": {"accuracy": 0.99},
        "run": run,
        "files": {"model.tflite": {}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
