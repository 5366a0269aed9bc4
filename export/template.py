"""Text files from the Jinja2 templates in `templates/`."""

from pathlib import Path

import jinja2

_FOLDER = Path(__file__).parent / "templates"


def render(name: str, /, **values: object) -> str:
    """The text of a template with its values.

    Args:
      name: of the template's file.
      values: what it names; `| share` shows a number as a percentage, None as a dash.
    """
    environment = jinja2.Environment(  # noqa: S701 (Markdown and C, not HTML)
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["share"] = lambda share: "-" if share is None else f"{share:.2%}"
    return environment.get_template(name).render(values)
