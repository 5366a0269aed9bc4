import os

from support import python

CODE = """
from digitline.cli import list as listing, quickstart
from digitline.data import inspect, prepare
from digitline.models import train
modules = listing, quickstart, inspect, prepare, train
print({module.COMMAND.flags["data_dir"].default for module in modules})
"""


def test_the_environment_says_where_datasets_lie(tmp_path):
    default = python(CODE, cwd=tmp_path, env={**os.environ, "TFDS_DATA_DIR": ""}).stdout
    assert default.strip() == "{'datasets'}"
    default = python(CODE, cwd=tmp_path, env={**os.environ, "TFDS_DATA_DIR": "/mine"}).stdout
    assert default.strip() == "{'/mine'}"
