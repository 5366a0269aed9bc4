"""The models that are attacked, and versions that must not take the server."""

import shutil
import struct

from digitline.base.tf import tf
from digitline.serving.prediction.model import BOXED


class Digits(tf.Module):
    """Images to ten numbers, examples to classes, and images to something larger."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.random.stateless_normal([784, 10], [1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, "images")])
    def predict(self, images):
        flat = tf.cast(tf.reshape(images, [-1, 784]), tf.float32)
        return {"probabilities": tf.nn.softmax(flat @ self.w)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(self, inputs):
        lengths = tf.cast(tf.strings.length(inputs), tf.float32)
        return {"scores": tf.tile(lengths[:, None], [1, 3])}

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, "images")])
    def activations(self, images):
        return {"maps": tf.tile(tf.cast(images, tf.float32), [1, 1, 1, 4])}


class Slow(tf.Module):
    """Half a second for any images."""

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, "images")])
    def predict(self, images):
        x = tf.ones([500, 500]) * tf.cast(tf.reduce_max(images) + 1, tf.float32)
        for _ in tf.range(150):
            x = tf.math.l2_normalize(x @ x)
        return {"x": tf.reduce_sum(x) + tf.zeros([tf.shape(images)[0]])}


def save(folder):
    """Two models, `m` and `slow`, each of version 1; gives a config file of both."""
    module = Digits()
    signatures = {"serving_default": module.predict, "classify": module.classify,
                  "activations": module.activations}  # fmt: skip
    tf.saved_model.save(module, str(folder / "m" / "1"), signatures)
    slow = Slow()
    tf.saved_model.save(slow, str(folder / "slow" / "1"), {"serving_default": slow.predict})
    (folder / "config").write_text(f"model_config_list {{ {entries(folder, 'm', 'slow')} }}")
    return folder / "config"


def entries(folder, *names):
    """Models of a config, as text; any other name is the slow one again."""
    return "".join(
        f'config {{ name: "{name}" base_path: "{folder / ("m" if name == "m" else "slow")}" '
        'model_platform: "tensorflow" }\n'
        for name in names
    )


def broken(folder):
    """A version of which half was written."""
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(
        (folder.parent / "1" / "saved_model.pb").read_bytes()[:200]
    )


def crashing(folder):
    """A TFLite file that has no graphs, which one byte says: LiteRT crashes."""
    folder.mkdir()
    content = bytearray((BOXED / "model.tflite").read_bytes())
    (root,) = struct.unpack_from("<I", content)
    (back,) = struct.unpack_from("<i", content, root)
    struct.pack_into("<H", content, root - back + 4 + 2 * 2, 0)  # The third field.
    (folder / "model.tflite").write_bytes(content)


def copied(source, folder):
    """A version that appears whole."""
    staging = folder.parent / ".staging"
    shutil.copytree(source, staging)
    staging.rename(folder)
