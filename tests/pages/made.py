"""The pages of docs/ that are made from the code, and how a table looks in them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND = "make docs"
NOTE = f"<!-- Made from the code by `{COMMAND}`. Do not edit. -->\n\n"


def pages() -> dict[str, str]:
    """Names below docs/ to texts."""
    from tests.pages import conformance, error_codes, errors, hpc_pack, lists, nodes, settings

    makers = {
        "conformance": conformance.page, "error-codes": error_codes.page, "errors": errors.page,
        "hpc-pack": hpc_pack.page, "lists": lists.page,
        "nodes": nodes.page, "settings": settings.page,
    }  # fmt: skip
    return {f"{name}.md": NOTE + make().strip() + "\n" for name, make in makers.items()}


def table(*rows: tuple[str, ...]) -> str:
    """Rows of cells, the first the heading."""
    heading, *rest = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [heading, ["---"] * len(heading), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
