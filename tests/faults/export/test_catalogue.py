"""Every planted fault is refused, by one sentence that says what and where."""

import collections

import pytest
from faults.export import (
    beside,
    encodings,
    inputs,
    layers,
    lite_files,
    onnx_files,
    plain,
    quantized,
    sizes,
    stated,
    structure,
    ways_in,
    weights,
)

from digitline.base.errors import VerificationError
from digitline.export.formats import table

CATALOGUE = {
    kind.__name__.rpartition(".")[2]: kind.FAULTS
    for kind in (
        *(sizes, inputs, encodings, quantized, stated, layers, weights, beside, lite_files),
        *(onnx_files, plain, structure, ways_in),
    )
}
FAULTS = [
    pytest.param(fault, id=f"{kind}: {fault.name}", marks=() if fault.quick else pytest.mark.long)
    for kind, faults in CATALOGUE.items()
    for fault in faults
]


def test_the_catalogue_has_many_faults_of_each_kind():
    assert len(FAULTS) >= 120
    for kind, faults in CATALOGUE.items():
        assert len(faults) >= 8, kind
        assert any(fault.quick for fault in faults), kind
        twice = collections.Counter(fault.name for fault in faults) - collections.Counter(
            {fault.name for fault in faults}
        )
        assert not twice


@pytest.mark.parametrize("fault", FAULTS)
def test_refuses(fault, benches, tmp_path):
    bench, folder = benches(fault.bench), tmp_path / fault.format
    options = fault.options(bench)
    fault.plant(bench, folder, options)
    with pytest.raises(VerificationError, match=fault.message) as caught:
        bench.check(fault.artifact, folder, options)
    message = str(caught.value)
    assert "nothing was published" in message
    assert "\n" not in message


# In `make test` the exports that other tests make are sound.
@pytest.mark.long
@pytest.mark.parametrize("name", ["digits", "one", "layers", "colours", "onnx"])
def test_the_sound_exports_are_not_refused(name, benches):
    bench = benches(name)
    for export_format in bench.options.formats:
        for artifact in table.artifacts_of(export_format, bench.options):
            bench.check(artifact.name, bench.folder / export_format)
