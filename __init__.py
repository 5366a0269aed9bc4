"""digitline: pixels in, verified SavedModels and TFLite files out."""

import importlib

# Type checkers know it by its name. To import `typing` takes longer than all else of a command
# before it can say what Ctrl-C did.
TYPE_CHECKING = False
__version__ = "0.1.0"
__all__ = [
    "DataError",
    "UsageError",
    "UserError",
    "VerificationError",
    "evaluate",
    "export",
    "load",
    "prepare",
    "train",
]

if TYPE_CHECKING:
    from .api import evaluate, export, load, prepare, train
    from .base.errors import DataError, UsageError, UserError, VerificationError
else:

    def __getattr__(name):
        """What is in `__all__`, imported when it is asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = ".base.errors" if name.endswith("Error") else ".api"
        return getattr(importlib.import_module(module, __name__), name)

    def __dir__():
        return sorted({*globals(), *__all__})
