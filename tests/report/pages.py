"""Reads a rendered page the way a browser does."""

from __future__ import annotations

import html5lib

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


def parse(text):
    return html5lib.parse(text)


def local(element):
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def elements(root, name=None):
    return [
        each for each in root.iter() if isinstance(each.tag, str) and name in {None, local(each)}
    ]


def with_class(root, *names):
    return [each for each in elements(root) if set(names) <= set(each.get("class", "").split())]


def by_id(root, name):
    (found,) = [each for each in elements(root) if each.get("id") == name]
    return found


def text_of(element):
    return " ".join("".join(element.itertext()).split())


def body_text(root):
    """What is read with scripts and styles off."""
    return " ".join(_words(elements(root, "body")[0]))


def _words(element):
    if local(element) in {"script", "style"}:
        return
    yield from (element.text or "").split()
    for child in element:
        yield from _words(child)
        yield from (child.tail or "").split()
