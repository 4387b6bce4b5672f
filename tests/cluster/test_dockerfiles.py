"""The Dockerfiles say what the images that are built here have in them."""

from __future__ import annotations

from .machine.__main__ import DOCKERFILES, dockerfiles


def test_the_dockerfiles_are_made_from_the_list_of_contents() -> None:
    found = {path.name: path.read_text() for path in DOCKERFILES.iterdir()}
    assert found == dockerfiles()
