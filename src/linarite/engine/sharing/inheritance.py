"""What a new file or directory gets of the permission of the one above it, as Windows makes files.

Texts are SDDL. Source: MS-DTYP 2.5.3.4 (inheritance); "Create File", x-ms-file-permission; what clients document of
x-ms-file-property-semantics.
"""

from __future__ import annotations

from collections.abc import Iterator

from linarite.engine.sharing.descriptors import FORM, entries_of, flags_of

_FOR_FILES, _FOR_DIRECTORIES, _ONLY_BELOW, _ONCE, _INHERITED = "OI", "CI", "IO", "NP", "ID"
_PASSING = {_FOR_FILES, _FOR_DIRECTORIES, _ONLY_BELOW, _ONCE, _INHERITED}
_CREATORS = {"CO": "owner", "CG": "group", "S-1-3-0": "owner", "S-1-3-1": "group"}
_PARTS = 6


def merged(own: str, above: str, *, directory: bool) -> str:
    """A permission with the entries that it inherits, unless it is protected from that, or has them already."""
    mine, theirs = FORM.fullmatch(own), FORM.fullmatch(above)
    if mine is None or theirs is None:
        return own
    flags, _, _ = mine["dacl"].partition("(")
    if "P" in flags.replace("NO_ACCESS_CONTROL", ""):
        return own
    people = {name: mine[part] for name, part in _CREATORS.items()}
    there = set(entries_of(mine["dacl"]))
    came = [
        entry
        for each in entries_of(theirs["dacl"])
        if each.count(";") == _PARTS - 1
        for entry in _passed(each, people, directory=directory)
        if entry not in there
    ]
    if not came:
        return own
    marked = flags if "AI" in flags else f"{flags}AI"
    entries = "".join(f"({each})" for each in came)
    start, end = mine.span("dacl")
    return f"{own[:start]}{marked}{mine['dacl'][len(flags) :]}{entries}{own[end:]}"


def _passed(entry: str, people: dict[str, str], *, directory: bool) -> Iterator[str]:
    """What an entry of the directory above becomes here: nothing, one entry, or two where its creator is meant."""
    kind, flags, rights, thing, inherited, who = entry.split(";")
    given = flags_of(flags)
    applies = (_FOR_DIRECTORIES if directory else _FOR_FILES) in given
    goes_on = directory and _ONCE not in given and bool({_FOR_FILES, _FOR_DIRECTORIES} & set(given))
    if not applies and not goes_on:
        return
    audit = [each for each in given if each not in _PASSING]
    below = [each for each in given if each in {_FOR_FILES, _FOR_DIRECTORIES}]

    def written(parts: list[str], whom: str) -> str:
        return ";".join((kind, "".join([*parts, *audit, _INHERITED]), rights, thing, inherited, whom))

    if applies and (who in people or not goes_on):
        yield written([], people.get(who, who))
    if goes_on:
        only_below = [] if applies and who not in people else [_ONLY_BELOW]
        yield written([*below, *only_below], who)
