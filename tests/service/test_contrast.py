"""Text can be read in light and dark: contrast by WCAG 2, from the style sheet's own colours."""

from __future__ import annotations

import re

import pytest

from elastic_spawner.hub.service.pages import STATIC

SHEET = (STATIC / "elastic.css").read_text()
LIGHT, DARK = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)

# text -> what it stands on
PAIRS = {
    "text": ["page", "card", "code", "busy-bg"],
    "quiet": ["page", "card", "code"],
    "accent": ["page", "card"],
    "accent-strong": ["page", "card"],
    "on-accent": ["accent", "accent-strong"],
    "good": ["card", "good-bg"],
    "bad": ["card", "bad-bg"],
    "busy": ["busy-bg"],
    "off": ["off-bg"],
}


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("block", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), [(text, ground) for text, grounds in PAIRS.items() for ground in grounds])
def test_text_stands_out_from_what_it_stands_on(block: str, text: str, ground: str) -> None:
    named = colours(block)
    assert contrast(named[text], named[ground]) >= 4.5


@pytest.mark.parametrize("block", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("edge", ["field", "focus"])
def test_fields_and_focus_stand_out(block: str, edge: str) -> None:
    named = colours(block)
    assert contrast(named[edge], named["card"]) >= 3
