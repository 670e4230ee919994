"""The commands of a page of the docs, as whoever follows it types them."""

import re
import textwrap


def blocks_of(page: str) -> dict[str, list[tuple[str, str]]]:
    """Language and text of a page's blocks, by section, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
        found[title] = [(language, textwrap.dedent(body)) for language, body in fenced]
    return found
