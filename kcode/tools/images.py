"""Images as models see them: which kinds, how large, and why not."""

from __future__ import annotations

import base64
from pathlib import Path

from kcode.providers.base import Provider
from kcode.tools.base import ToolOutcome, ToolRefused
from kcode.tools.filekinds import kind_of

MOST_BYTES = 5_000_000
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WebP": "image/webp"}


def unseen(provider: Provider) -> str:
    """Why this model is shown no images, for the model; empty where it is."""
    if provider.dialect.images:
        return ""
    if provider.model.vision:
        return f"the results of tools carry no images to {provider.model.id} over this endpoint"
    return f"the model in use, {provider.model.id}, does not see images"


def is_image(path: Path) -> bool:
    return "image" in _kind(path)


def image_shown(path: Path, name: str, unseen: str) -> ToolOutcome:
    """The image for a model that sees. Raises ToolRefused with the reason for one that does not."""
    kind = _kind(path)
    size = path.stat().st_size
    what = f"{name} is {kind} ({size:,} bytes)"
    if unseen:
        raise ToolRefused(f"{what}; {unseen}")
    form = next((mime for word, mime in _TYPES.items() if word in kind), "")
    if not form:
        raise ToolRefused(f"{what}; {', '.join(_TYPES)} can be shown: convert it with a command")
    if size > MOST_BYTES:
        raise ToolRefused(
            f"{what}; up to {MOST_BYTES / 1e6:.0f} MB can be shown: make a smaller copy with a command"
        )
    address = f"data:{form};base64,{base64.b64encode(path.read_bytes()).decode()}"
    return ToolOutcome(f"[{what}]", kind.removeprefix("a ").removeprefix("an "), images=(address,))


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return kind_of(stream.read(512), path.name)
    except OSError:
        return ""
