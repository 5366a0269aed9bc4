import shutil

import pytest
from served import serving

from digitline.base.pictures.config import PictureConfig
from digitline.export import functions
from digitline.export.formats import saved_model
from digitline.models import registry
from digitline.serving.prediction.model import BOXED


@pytest.fixture(scope="session")
def server(exported, tmp_path_factory):
    """A server of three models, for all tests of the page.

    `tiny` is the export of the tests; `boxed` knows its digits; `softmax` is not trained, and
    has no TFLite file.
    """
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(exported.export_dir, folder / "exports")
    shutil.copytree(BOXED, folder / "boxed/1")
    network = registry.get("softmax")
    preprocess = registry.preprocess(network, (28, 28, 1), network.RECIPES["best"])
    model = network.build(preprocess.output_shape, 10)
    subject = functions.TrainedModel(
        model, preprocess, tuple("0123456789"), PictureConfig((28, 28, 1), digits=True)
    )
    saved_model.write(subject, folder / "softmax/1")
    tiny = folder / "exports" / exported.saved_model.parent.relative_to(exported.export_dir)
    paths = {"tiny": tiny} | {name: folder / name for name in ("boxed", "softmax")}
    configs = [
        f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" }}'
        for name, path in paths.items()
    ]
    config_file = folder / "models.config"
    config_file.write_text(f"model_config_list {{ {' '.join(configs)} }}")
    with serving(f"--model_config_file={config_file}") as running:
        yield running
