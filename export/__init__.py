"""A trained model to verified artifacts: the package, and the function `digitline.export(...)`.

The function is described in `digitline.api`.
"""

import sys
import types


class _Function(types.ModuleType):
    """A module that can be called: Python binds `digitline.export` to this package."""

    def __call__(self, *options, **keywords):
        return self._function(*options, **keywords)

    @property
    def __signature__(self):
        import inspect

        return inspect.signature(self._function)

    @property
    def _function(self):
        from .. import api

        return api.export


sys.modules[__name__].__class__ = _Function
