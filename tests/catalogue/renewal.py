"""The catalogue as it has to be: the source's messages with the translations there are."""

from __future__ import annotations

from tests.catalogue import po
from tests.catalogue.extract import REPOSITORY, messages

PO = REPOSITORY / "kcode/locale/zh_CN/LC_MESSAGES/kcode.po"
MO = PO.with_suffix(".mo")


def renewed() -> tuple[str, bytes, list[po.Entry]]:
    """The text of the .po, the bytes of the .mo, and the entries that have no translation yet."""
    head, known = po.read(PO)
    translations = {each.key: each.translation for each in known}
    entries = [
        po.Entry(each.text, each.plural, each.below, translations.get(each.key, ""), each.places)
        for each in messages().values()
    ]
    return po.spelled(head, entries), po.compiled(head, entries), [e for e in entries if not e.translation]
