import re
import shutil
import subprocess

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert

from digitline.base.errors import UserError
from digitline.export.formats import c_header, operators

COMPILERS = {
    "gcc": ("-x", "c", "-std=c11", "-pedantic"),
    "g++": ("-x", "c++", "-std=c++11", "-pedantic"),
    "clang": ("-x", "c", "-std=c11", "-pedantic"),
}
STRICT = ("-Wall", "-Wextra", "-Werror")
NAME, PREFIX = "digitline_lenet5_int8", "DIGITLINE_LENET5_INT8"


@pytest.fixture(scope="module")
def file(for_devices):
    """The int8 file; the header is beside it."""
    return for_devices.int8


def compiler(name):
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    return name


def macros(header):
    """What a header's macros stand for."""
    lines = [line.split(" ", 2) for line in header.splitlines() if line.startswith("#define ")]
    return {parts[1]: parts[2] for parts in lines if len(parts) == 3}


def test_the_header_describes_the_file(file):
    header = (file.parent / "model_int8.h").read_text()
    values = macros(header)
    assert values[f"{PREFIX}_INPUT_TYPE"] == values[f"{PREFIX}_OUTPUT_TYPE"] == "int8_t"
    assert values[f"{PREFIX}_INPUT_SHAPE"] == "{1, 28, 28, 1}"
    assert values[f"{PREFIX}_INPUT_SIZE"] == "784"
    assert values[f"{PREFIX}_INPUT_SCALE"] == "1.0f"
    assert values[f"{PREFIX}_INPUT_ZERO_POINT"] == "(-128)"
    assert values[f"{PREFIX}_OUTPUT_INDEX"] == "0"
    assert values[f"{PREFIX}_OUTPUT_SHAPE"] == "{1, 10}"
    assert values[f"{PREFIX}_OUTPUT_SCALE"] == "0.00390625f"
    assert values[f"{PREFIX}_OUTPUT_ZERO_POINT"] == "(-128)"
    assert values[f"{PREFIX}_CLASSES"] == "10"
    assert f"const unsigned int {NAME}_len = {file.stat().st_size};" in header
    assert "model_int8.h" in (file.parent / "manifest.json").read_text()
    assert max(map(len, header.splitlines())) <= 100


# The header needs no other before it, and may be included twice, as two other headers would.
PROGRAM = """
#include "model_int8.h"
#include "model_int8.h"
#include <stdint.h>
#include <stdio.h>
int main(void) {
  static const int shape[] = DIGITLINE_LENET5_INT8_INPUT_SHAPE;
  DIGITLINE_LENET5_INT8_INPUT_TYPE images[DIGITLINE_LENET5_INT8_INPUT_SIZE];
  const float scale = DIGITLINE_LENET5_INT8_OUTPUT_SCALE;
  int number;
  for (number = 0; number < DIGITLINE_LENET5_INT8_CLASSES; number++)
    fprintf(stderr, "%s\\n", digitline_lenet5_int8_labels[number]);
  fwrite(digitline_lenet5_int8, 1, digitline_lenet5_int8_len, stdout);
  if ((uintptr_t)digitline_lenet5_int8 % 16) return 1;
  if (sizeof digitline_lenet5_int8 != digitline_lenet5_int8_len) return 2;
  if (sizeof shape / sizeof *shape != DIGITLINE_LENET5_INT8_INPUT_RANK) return 3;
  if (sizeof images != 28 * 28 || shape[1] != 28) return 4;
  return scale * (127 - DIGITLINE_LENET5_INT8_OUTPUT_ZERO_POINT) > 0.99f ? 0 : 5;
}
"""


@pytest.mark.parametrize("name", COMPILERS)
def test_a_program_compiles_without_a_warning_and_holds_the_files_bytes(name, file, tmp_path):
    source, program = tmp_path / "source", tmp_path / "program"
    source.write_text(PROGRAM)
    command_line = [compiler(name), *STRICT, *COMPILERS[name], "-I", str(file.parent)]
    subprocess.run([*command_line, str(source), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout == file.read_bytes()
    assert done.stderr.decode().split() == list("0123456789")


def test_tflite_micro_runs_the_array(file, test_images):
    reason = "tflite-micro has wheels for Linux on x86-64 only"
    runtime = pytest.importorskip("tflite_micro", reason=reason).runtime
    header = (file.parent / "model_int8.h").read_text()
    content = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", header))
    micro = runtime.Interpreter.from_bytes(content, arena_size=200_000)
    # LiteRT's own kernels round as Micro's do; those that it takes on a large machine do not.
    plain = litert.Interpreter(
        str(file), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    signature = plain.get_signature_runner("serving_default")
    images = (test_images[0].astype(np.int16) - 128).astype(np.int8)
    off = []
    for image in images[:50]:
        micro.set_input(image[np.newaxis], 0)
        micro.invoke()
        expected = signature(images=image[np.newaxis])["probabilities"].astype(int)
        off.append(np.abs(micro.get_output(0) - expected).max())
    # A value halfway between two steps is rounded to either: one step of two logits is then at
    # most half of it of a probability.
    step = next(
        each["quantization"][0]
        for each in plain.get_tensor_details()
        if "logits" in each["name"]
        and each["dtype"] == np.int8
        and len(each["shape"]) == 2
        and each["shape"][0] == 1
    )
    assert np.sum(np.array(off) <= 1) >= 48
    assert max(off) <= 256 * step / 2


@pytest.mark.parametrize("operator", ["GELU", "TOPK_V2"])
def test_refuses_an_operator_that_tflite_micro_lacks(operator, file, monkeypatch):
    monkeypatch.setattr(operators, "names", lambda content: {"CONV_2D", operator})
    with pytest.raises(UserError, match=f"TensorFlow Lite Micro has no {operator}$"):
        c_header.render(file.read_bytes(), "x", ("a", "b"))


def test_labels_of_any_letters(file, tmp_path):
    names = ('say "ü"', "back\\slash", "what??/", "1 2\t3", "é1")
    (tmp_path / "model.h").write_text(c_header.render(file.read_bytes(), "x", names), "ascii")
    source, program = tmp_path / "source", tmp_path / "program"
    source.write_text(
        '#include <stdio.h>\n#include "model.h"\n'
        "int main(void) { for (int i = 0; i < DIGITLINE_X_INT8_CLASSES; i++)"
        " puts(digitline_x_int8_labels[i]); return 0; }\n"
    )
    command_line = [compiler("gcc"), *STRICT, *COMPILERS["gcc"], str(source), "-o", str(program)]
    subprocess.run(command_line, check=True)
    done = subprocess.run([str(program)], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == list(names)


def test_writes_no_header_without_the_flag(exported):
    assert not (exported.tflite.parent / "model_int8.h").exists()
