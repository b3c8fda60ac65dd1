"""The active language of messages and numbers: English, unless `activate` has chosen another one."""

from gettext import NullTranslations

from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol

_catalogue, _locale = NullTranslations(), Locale("en")


def activate(language: str, catalogue: NullTranslations) -> None:
    """Sets the language of this process: `_` translates with `catalogue`, and `number` follows `language`."""
    global _catalogue, _locale
    _catalogue, _locale = catalogue, Locale(language)


def language() -> str:
    """Returns the code of the active language, such as "en"."""
    return _locale.language


def _(message: str) -> str:
    """Returns the translation of a message; a message that the catalogue does not contain stays English."""
    return message and _catalogue.gettext(message)  # gettext answers the empty message with the catalogue's header


def N_(message: str) -> str:
    """Returns the message unchanged, and marks it for the catalogue; `_` translates it where it is shown."""
    return message


def number(value: float, spec: str) -> str:
    """Returns `format(value, spec)` with the separators and the percent sign of the active language (CLDR)."""
    percent = _locale.percent_formats[None].suffix[0]
    symbols = {",": get_group_symbol(_locale), ".": get_decimal_symbol(_locale), "%": percent}
    return format(value, spec).translate(str.maketrans(symbols))
