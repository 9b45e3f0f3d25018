"""Masks inside facts that were recorded before release 0.3.

Facts hold the lookup key of a personal number, and no mask: responses compute it. Earlier releases
stored a mask beside each key, and their digests cover it. A body that is sent again is recognised
by the digest of its facts, or by that of the facts with the masks of those releases.
"""

from collections.abc import Mapping
from typing import TypeVar, cast

Facts = TypeVar("Facts")

REGION_LENGTH = 6
MIN_REGIONAL_LENGTH = 15
MASK_FIELD = "masked"


def build_former_mask(number: str) -> str:
    """Return the mask of earlier releases, which shows the region; never show it to anybody."""
    visible_length = REGION_LENGTH if len(number) >= MIN_REGIONAL_LENGTH else 2
    return number[:visible_length].ljust(len(number), "*")


def add_former_masks(facts: Facts, masks: Mapping[str, str]) -> Facts:
    """Return facts as earlier releases built them; `masks` are by lookup key."""
    return cast("Facts", _add(facts, masks))


def remove_masks(facts: Facts) -> Facts:
    """Return facts without the masks of earlier releases."""
    return cast("Facts", _remove(facts))


def _add(value: object, masks: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return [_add(item, masks) for item in value]
    if not isinstance(value, dict):
        return value
    added = {name: _add(item, masks) for name, item in value.items()}
    mask = masks.get(str(added.get("key")))
    return added if mask is None else {**added, MASK_FIELD: mask}


def _remove(value: object) -> object:
    if isinstance(value, list):
        return [_remove(item) for item in value]
    if not isinstance(value, dict):
        return value
    has_mask = "key" in value
    return {
        name: _remove(item) for name, item in value.items() if not (has_mask and name == MASK_FIELD)
    }
