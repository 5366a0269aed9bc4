"""Text files from Jinja2 templates, which lie beside the modules that fill them in."""

from pathlib import Path

import jinja2


def render(template: Path, **values: object) -> str:
    """The text of a template with its values.

    Args:
      template: the file.
      values: what it names; `| share` shows a number as a percentage, None as a dash.
    """
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["share"] = lambda share: "-" if share is None else f"{share:.2%}"
    return environment.from_string(template.read_text(encoding="utf-8")).render(values)
