"""Names, dtypes, shapes and methods that are not the table's; signatures too many or too few."""

from faults.export.planting import Fault, edited_graph, edited_tflite, graph, lite_graph, written

from digitline.base.tf import tf
from digitline.export import functions, signatures
from digitline.export.formats import saved_model

_DEFAULT, _IMAGES, _BYTES, _CLASSIFY, _LAYERS = signatures.SAVED_MODEL
_TABLE = r"^{}: it {}.*, the table's .*; nothing was published"
_SIGNATURES = r"^{}: its signatures are .*, the table's .*; nothing was published"


def _renamed(kind, signature, old, new):
    """In the SignatureDef."""

    def change(meta_graph):
        tensors = getattr(meta_graph.signature_def[signature], kind)
        tensors[new].CopyFrom(tensors[old])
        del tensors[old]

    return edited_graph(change)


def _method(signature, method):
    def change(meta_graph):
        meta_graph.signature_def[signature].method_name = method

    return edited_graph(change)


def _without(signature):
    def change(meta_graph):
        del meta_graph.signature_def[signature]

    return edited_graph(change)


def _with(name, signature):
    def change(meta_graph):
        meta_graph.signature_def[name].CopyFrom(meta_graph.signature_def[signature])

    return edited_graph(change)


def _tensor_of(signature, output, other, its_output):
    """In the SignatureDef an output is the tensor of another."""

    def change(meta_graph):
        defs = meta_graph.signature_def
        info = defs[signature].outputs[output]
        info.name = defs[other].outputs[its_output].name

    return edited_graph(change)


def _input_of(signature, name, dtype=None, shape=None):
    def change(meta_graph):
        info = meta_graph.signature_def[signature].inputs[name]
        if dtype:
            info.dtype = dtype
        for dim, size in zip(info.tensor_shape.dim, shape or (), strict=False):
            dim.size = size

    return edited_graph(change)


def _outputs(change):
    return lambda function: lambda values: change(dict(function(values)))


def _lite(change):
    return edited_tflite("model.tflite", change)


def _key(model):
    model.signatureDefs[0].signatureKey = b"predict"


def _input_name(model):
    model.signatureDefs[0].inputs[0].name = b"image"


def _output_names(model):
    first, second = model.signatureDefs[0].outputs
    first.name, second.name = second.name, first.name


def _one_output(model):
    model.signatureDefs[0].outputs = model.signatureDefs[0].outputs[:1]


def _no_signature(model):
    model.signatureDefs = []


def _one_more(model):
    import copy

    more = copy.copy(model.signatureDefs[0])
    more.signatureKey = b"more"
    model.signatureDefs = [*model.signatureDefs, more]


def _saved(name, plant, message, quick=False):
    return Fault(name, "saved_model", plant, message, quick=quick)


def _grey_only(monkeypatch):
    """Three colours are one."""
    sizes = signatures.Tensor.sizes

    def one_channel(self, *arguments):
        found = sizes(self, *arguments)
        return [*found[:-1], 1] if self.shape[-1] == signatures.RGB else found

    monkeypatch.setattr(signatures.Tensor, "sizes", one_channel)
    monkeypatch.setitem(saved_model.FUNCTIONS, signatures.CLASSIFY_RGB, functions.probabilities)


_LITE = {"tflite_variants": ("float32",), "c_header": False}

FAULTS = (
    _saved("the input is renamed", _renamed("inputs", "serving_default", "images", "image"),
           _TABLE.format("SavedModel, serving_default", r"takes image uint8 \[N, 28, 28, 1\]"),
           quick=True),
    _saved("the bytes are renamed", _renamed("inputs", "predict_bytes", "image_bytes", "bytes"),
           _TABLE.format("SavedModel, predict_bytes", r"takes bytes string \[N\]")),
    _saved("scores are renamed", _renamed("outputs", "predict_images", "scores", "probabilities"),
           _TABLE.format("SavedModel, predict_images", r"gives probabilities float32 \[N, 10\]")),
    _saved("an output too few", graph(_DEFAULT, _outputs(
        lambda outputs: {"probabilities": outputs["probabilities"]})),
        _TABLE.format("SavedModel, serving_default", r"gives probabilities float32 \[N, 10\]")),
    _saved("an output too many", graph(_IMAGES, _outputs(
        lambda outputs: {**outputs, "best": tf.argmax(outputs["scores"], -1)})),
        _TABLE.format("SavedModel, predict_images", r"gives best int64 \[N\], scores float32")),
    _saved("scores are float64", graph(_IMAGES, _outputs(
        lambda outputs: {"scores": tf.cast(outputs["scores"], tf.float64)})),
        _TABLE.format("SavedModel, predict_images", r"gives scores float64 \[N, 10\]")),
    _saved("classes are int32", graph(_DEFAULT, _outputs(
        lambda outputs: {**outputs, "classes": tf.cast(outputs["classes"], tf.int32)})),
        _TABLE.format("SavedModel, serving_default", r"gives classes int32 \[N\], prob")),
    _saved("classes are a column", graph(_BYTES, _outputs(
        lambda outputs: {**outputs, "classes": outputs["classes"][:, tf.newaxis]})),
        _TABLE.format("SavedModel, predict_bytes", r"gives classes int64 \[N, 1\], prob")),
    _saved("only the best class", graph(_CLASSIFY, _outputs(
        lambda outputs: {name: value[:, :1] for name, value in outputs.items()})),
        _TABLE.format("SavedModel, classify", r"gives classes string \[N, 1\], scores float32")),
    _saved("the input is stated as float32", _input_of("serving_default", "images", 1),
           _TABLE.format("SavedModel, serving_default", "takes images float32")),
    _saved("the input is stated as 32x32", _input_of(
        "serving_default", "images", shape=(-1, 32, 32, 1)),
        _TABLE.format("SavedModel, serving_default", r"takes images uint8 \[N, 32, 32, 1\]")),
    _saved("the batch is stated as 16", _input_of("predict_images", "images", shape=(16, 784)),
           _TABLE.format("SavedModel, predict_images", r"takes images float32 \[16, 784\]")),
    *(
        _saved(f"{signature}: the method is {method!r}", _method(signature, method),
               rf"^SavedModel, {signature}: its method is '{method}', the table's 'tensorflow/")
        for signature, method in (
            ("classify", "tensorflow/serving/predict"), ("classify", "predict"),
            ("serving_default", ""), ("predict_images", "tensorflow/serving/regress"),
            ("activations", "tensorflow/serving/classify"),
        )
    ),
    *(
        _saved(f"{signature} is missing", _without(signature), _SIGNATURES.format("SavedModel"))
        for signature in ("serving_default", "classify", "activations")
    ),
    _saved("a signature too many", _with("predict", "serving_default"),
           _SIGNATURES.format("SavedModel")),
    *(
        _saved(f"{signature}: {output} is a tensor of {other}",
               _tensor_of(signature, output, other, its_output),
               rf"^SavedModel, {signature}: in a session it (refuses \d+|gives {output} that are)")
        for signature, output, other, its_output in (
            ("serving_default", "probabilities", "predict_images", "scores"),
            ("predict_bytes", "classes", "serving_default", "classes"),
        )
    ),
    *(
        Fault(f"TFLite: {name}", "tflite", plant, message, changes=_LITE if changes else {},
              quick=name == "the input is renamed")
        for name, plant, message, changes in (
            ("another key", _lite(_key),
             r"^TFLite float32: it cannot be checked: .*model\.tflite: it has no signature", False),
            ("the input is renamed", _lite(_input_name),
             _TABLE.format("TFLite float32, serving_default", "takes image uint8"), False),
            ("outputs have each other's name", _lite(_output_names),
             _TABLE.format("TFLite float32, serving_default", r"gives classes float32 \[1, 10\]"),
             False),
            ("an output too few", _lite(_one_output),
             _TABLE.format("TFLite float32, serving_default", "gives "), False),
            ("no signature", _lite(_no_signature),
             r"^TFLite float32: it cannot be checked: .*model\.tflite: it has no signature", False),
            ("a signature too many", _lite(_one_more), _SIGNATURES.format("TFLite float32"), False),
            ("classes are int64", lite_graph(signatures.TFLITE_DEFAULT, _outputs(
                lambda outputs: {**outputs, "classes": tf.cast(outputs["classes"], tf.int64)})),
             _TABLE.format("TFLite float32, serving_default", r"gives classes int64 \[1\]"), True),
        )
    ),
    Fault(
        "MediaPipe: one channel", "tflite_mediapipe",
        written(_grey_only),
        r"^TFLite mediapipe, classify_rgb: it takes images float32 \[1, 28, 28, 1\], the table's",
        changes={"tflite_variants": ("mediapipe",), "c_header": False, "tflite_io": "uint8"},
    ),
)  # fmt: skip
