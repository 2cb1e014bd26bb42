"""Templates to messages (DOMAIN.md section 10). A site can replace any template by one of the same name. Pure but for
reading the template files.

The first line of a template is `Subject: ...`, the rest the text of the mail.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, TemplateError
from jinja2.loaders import BaseLoader

from rcbill_assets.errors import SettingsError

SUFFIX = ".txt.j2"
SUBJECT = "Subject: "


class Templates:
    """The house's templates, with a site's own before them."""

    def __init__(self, own: Path | None = None) -> None:
        if own is not None and not own.is_dir():
            raise SettingsError(f"The folder of templates, {own}, is not there: mend [places] templates.")
        loaders: list[BaseLoader] = [FileSystemLoader(own)] if own is not None else []
        loaders.append(PackageLoader("rcbill_assets.messages"))
        # Plain text: nothing is escaped, and what a template does not know is an error instead of a hole in a mail.
        self._environment = Environment(  # noqa: S701 - the templates are text/plain, not HTML
            loader=ChoiceLoader(loaders), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            keep_trailing_newline=True,
        )  # fmt: skip
        self._environment.filters["money"] = money

    def check(self) -> int:
        """Return how many templates there are; SettingsError for the first that is not whole."""
        names = [name for name in self._environment.list_templates() if name.endswith(SUFFIX)]
        for name in names:
            try:
                template = self._environment.get_template(name)
                first = Path(template.filename or name).read_text(encoding="utf-8").partition("\n")[0]
            except (TemplateError, UnicodeDecodeError, OSError) as error:
                raise SettingsError(f"The template {name} cannot be read ({error}): mend it.") from None
            if not first.startswith(SUBJECT):
                raise _no_subject(name)
        return len(names)

    def render(self, name: str, **values: Any) -> tuple[str, str]:
        """Return subject and text of a template (its name without `.txt.j2`)."""
        try:
            text = self._environment.get_template(f"{name}{SUFFIX}").render(**values)
        except (TemplateError, UnicodeDecodeError, OSError) as error:
            raise SettingsError(f"The template {name}{SUFFIX} cannot be filled ({error}): mend it.") from None
        head, _, body = text.partition("\n")
        if not head.startswith(SUBJECT):
            raise _no_subject(f"{name}{SUFFIX}")
        return " ".join(head.removeprefix(SUBJECT).split()), body.lstrip("\n")


def _no_subject(file: str) -> SettingsError:
    return SettingsError(f"The first line of the template {file} must be `Subject: ...`.")


def money(value: Decimal) -> str:
    """Return an amount as people read it: 41,250.00."""
    return f"{value:,.2f}"
