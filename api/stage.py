"""A function of options that takes them as keywords, too."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import ParamSpec, Protocol, TypeVar, cast, overload

from ..base.errors import UsageError
from ..models.recipe import Recipe
from . import keywords

Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Options_contra = TypeVar("Options_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Stage(  # pyright: ignore[reportInvalidTypeVarUse] (the third overload hides the variance)
    Protocol[Keywords, Options_contra, Result_co]
):
    """A function that takes its options as one dataclass or as keywords.

    The keywords of the second form, with their types, are the dataclasses' own fields. The third is
    for what people write instead: words for paths, lists for tuples.
    """

    @overload
    def __call__(self, options: Options_contra, /) -> Result_co: ...
    @overload
    def __call__(self, *args: Keywords.args, **options: Keywords.kwargs) -> Result_co: ...
    @overload
    def __call__(self, **options: keywords.Value) -> Result_co: ...


def takes(
    kind: type[Options],
    form: Callable[Keywords, object],
    from_keywords: Callable[[Mapping[str, object]], Options] | None = None,
    checked: Callable[[Options], Options] = keywords.checked,
) -> Callable[[Callable[[Options], Result]], Stage[Keywords, Options, Result]]:
    """Makes a function of options one that takes keywords as well.

    Args:
      kind: the dataclass of the options.
      form: the dataclass whose flags the keywords are.
      from_keywords: makes the options; by default the keywords are its fields.
      checked: the options as a caller made them, checked.
    """
    flags = cast(type, form)
    made = from_keywords or functools.partial(keywords.read, kind)
    undecided = Recipe if issubclass(flags, Recipe) else None

    def decorate(function: Callable[[Options], Result]) -> Stage[Keywords, Options, Result]:
        name = f"digitline.{function.__name__}"

        @functools.wraps(function)
        def call(options: Options | None = None, /, **given: object) -> Result:
            if options is not None:
                if given or not isinstance(options, kind):
                    raise UsageError(f"{name}() takes keywords, or one {kind.__name__}")
                return function(checked(options))
            keywords.require_known(name, given, flags)
            return function(made(given))

        setattr(call, "__signature__", keywords.signature(flags, undecided))  # noqa: B010
        call.__doc__ = f"{inspect.getdoc(function)}\n\nOptions:\n{keywords.described(flags)}"
        return cast(Stage[Keywords, Options, Result], call)

    return decorate
