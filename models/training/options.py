"""The flags of `digitline train`."""

from absl import flags

from ...base import command
from ...data.flags import define_max_corrupt_records
from .. import recipe, registry

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to train")
_DATA = command.group(FLAGS, "Data")
_RECIPE = command.group(FLAGS, "Recipe (each flag's default is the recipe's own value)")
_HOW = command.group(FLAGS, "How it runs")

command.define_one_of("model", "lenet5", registry.NAMES, "Network to train.", **_WHAT)
command.define_one_of(
    "recipe",
    "best",
    registry.RECIPES,
    "article: the article's own hyperparameters. best: the same layers, trained better.",
    **_WHAT,
)
flags.DEFINE_string("workdir", None, "Run folder (default: runs/<model>).", **_WHAT)
flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the weights and of the order.",
    lower_bound=0,
    upper_bound=2**31 - 1,
    **_WHAT,
)
flags.DEFINE_bool("overwrite", False, "Delete the run in --workdir and train anew.", **_WHAT)

flags.DEFINE_string("dataset", "mnist", "Name of a prepared dataset.", **_DATA)
flags.DEFINE_string(
    "data",
    None,
    "Your own images instead: an .npz file of x_train, y_train, x_test and y_test, or of images "
    "and labels; a .csv file; or a folder with one folder of pictures for each class. They are "
    "prepared first, as digitline prepare does, into a dataset called after the file or folder, "
    "and anew when they have changed. Where they have no validation split, a tenth of each class "
    "is cut off for it.",
    **_DATA,
)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_DATA)
flags.DEFINE_string(
    "train_split",
    None,
    "Split to train on, in TFDS's syntax (default: what --validation_split's default leaves; "
    "for MNIST train[5000:]).",
    **_DATA,
)
flags.DEFINE_string(
    "validation_split",
    None,
    "Split to validate on (default: the dataset's own, else the first twelfth of train; "
    "for MNIST train[:5000]).",
    **_DATA,
)
command.define_one_of(
    "cache",
    "memory",
    ("memory", "file", "off"),
    "Where the decoded training split is held: in memory, in a file in --cache_dir that is "
    "mapped into memory, or nowhere: then it is read anew in each epoch.",
    **_DATA,
)
flags.DEFINE_string(
    "cache_dir", None, "Folder of the cache file (default: <workdir>/cache).", **_DATA
)
flags.DEFINE_integer(
    "shuffle_buffer",
    10_000,
    "With --cache=off: examples that the order is drawn from. Else the whole split is shuffled.",
    lower_bound=1,
    **_DATA,
)
flags.DEFINE_integer(
    "skip", 0, "For trials: pass over so many training images.", lower_bound=0, **_DATA
)
flags.DEFINE_integer(
    "take", None, "For trials: train on so many images alone.", lower_bound=1, **_DATA
)
flags.DEFINE_list(
    "mix",
    [],
    "Other prepared datasets to train on too, name:weight,…; --dataset has the weight 1. "
    "Their shapes and classes must be the same.",
    **_DATA,
)
flags.DEFINE_bool("balance_classes", False, "As many training images of each class.", **_DATA)
flags.DEFINE_string(
    "shard",
    "0/1",
    "Train on one of several disjoint parts of the training split, i/n: the i-th, from 0, of n.",
    **_DATA,
)
define_max_corrupt_records(**_DATA)

recipe.define_flags(**_RECIPE)

flags.DEFINE_integer(
    "log_steps", 100, "Steps between two rows of metrics.jsonl, at most.", lower_bound=1, **_HOW
)
flags.DEFINE_float(
    "validation_epochs", 1.0, "Epochs between two validations.", lower_bound=1e-3, **_HOW
)
flags.DEFINE_float(
    "checkpoint_interval_s",
    5.0,
    "Seconds between two checkpoints; a killed run loses no more than that.",
    lower_bound=0.0,
    **_HOW,
)
flags.DEFINE_integer(
    "keep_checkpoints",
    2,
    "Checkpoints that stay, beside the best one: where the newest is damaged, the one before "
    "is used.",
    lower_bound=1,
    **_HOW,
)
flags.DEFINE_float(
    "max_minutes",
    0.0,
    "End the run after so many minutes of training, over all its sessions; 0 for no limit.",
    lower_bound=0.0,
    **_HOW,
)
flags.DEFINE_bool(
    "deterministic",
    False,
    "Only operations that give the same bits each time, where TensorFlow has a choice; slower.",
    **_HOW,
)
flags.DEFINE_bool(
    "tensorboard",
    False,
    "Write scalars for TensorBoard, into <workdir>/tensorboard; with --report, at the end, the "
    "confusion matrix, the misclassified images and the projector's data too.",
    **_HOW,
)
flags.DEFINE_bool(
    "report",
    True,
    "At the end write report.html and figures/ into the run folder, as digitline report does.",
    **_HOW,
)
flags.DEFINE_bool(
    "dry_run",
    False,
    "Two batches of everything in a temporary folder, to see that it works; leaves nothing but "
    "the dataset that --data prepares.",
    **_HOW,
)
