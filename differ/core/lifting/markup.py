"""XML and HTML as trees in which attribute order, layout white space and comments do not matter.

Nothing outside the document is ever read: no entity is replaced, no DTD is loaded, and a document
that declares entities of its own is not read as a tree at all.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from differ.core.lifting.lifted import Lifted, Unreadable
from differ.core.values import Element, Value

MAX_DEPTH: Final = 64
"""Nesting of elements that is compared; the walk needs seven Python frames for each level."""

MAX_ELEMENTS: Final = 500_000
"""Elements of one document; each takes about half a kilobyte as a Python value."""

_TOO_DEEP: Final = Unreadable(f"elements nested deeper than {MAX_DEPTH} levels", bound=True)
_TOO_MANY: Final = Unreadable(f"more than {MAX_ELEMENTS:,} elements", bound=True)

_VERBATIM: Final = frozenset({"pre", "textarea", "script", "style"})
"""HTML elements in which white space is content."""

_XML_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"


def lift_xml(data: bytes, charset: str) -> Lifted | Unreadable:
    """The document element of an XML body, as an object with one member: the element's name."""
    try:
        parser = etree.XMLParser(
            encoding=charset or None,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        root = etree.fromstring(data.lstrip(), parser)
    except (etree.LxmlError, LookupError, ValueError) as error:
        return _unreadable("XML", error)
    declared = root.getroottree().docinfo.internalDTD
    if isinstance(declared, etree.DTD) and any(declared.iterentities()):  # type: ignore[attr-defined]
        return Unreadable("not XML to be read: it declares entities")
    return _lift(root, html=False)


def lift_html(text: str) -> Lifted | Unreadable:
    """The document of an HTML body, faults mended as libxml2 mends them."""
    try:
        parser = etree.HTMLParser(
            encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
        )
        root = etree.fromstring(text.encode(errors="replace"), parser)
    except (etree.LxmlError, ValueError) as error:
        return _unreadable("HTML", error)
    if root is None:
        return Unreadable("not HTML: it has no element")
    return _lift(root, html=True)


def _unreadable(what: str, error: Exception) -> Unreadable:
    if "depth" in str(error):
        return _TOO_DEEP
    line = getattr(error, "lineno", None)
    # The parser's own words may quote the body.
    return Unreadable(f"not {what}: malformed at line {line}" if line else f"not {what}: malformed")


def _lift(root: etree._Element, *, html: bool) -> Lifted | Unreadable:
    budget = [MAX_ELEMENTS]
    element = _element(root, 1, budget, html=html, verbatim=False)
    if isinstance(element, Unreadable):
        return element
    return Lifted({_name(root): element}, booleans=False)


def _element(
    node: etree._Element, depth: int, budget: list[int], *, html: bool, verbatim: bool
) -> Element | Unreadable:
    if depth > MAX_DEPTH:
        return _TOO_DEEP
    budget[0] -= 1
    if budget[0] < 0:
        return _TOO_MANY
    members: dict[str, Value] = {}
    namespace, _ = _split(node)
    if namespace:
        # The URI is what a namespace is; its prefix is spelling.
        members["@xmlns"] = namespace
    for name, value in node.attrib.items():
        members[f"@{_text(name)}"] = _text(value)
    verbatim = verbatim or node.tag in _VERBATIM if html else node.get(_XML_SPACE) == "preserve" or verbatim
    sequence: list[str] = []
    texts: list[str] = []
    _add_text(node.text, texts, sequence, html=html, verbatim=verbatim)
    for child in node:
        tag: object = child.tag
        if isinstance(tag, str):
            name = _name(child)
            lifted = _element(child, depth + 1, budget, html=html, verbatim=verbatim)
            if isinstance(lifted, Unreadable):
                return lifted
            while not isinstance(siblings := members.setdefault(name, []), list):
                name = f"<{name}>"  # HTML's parser lets through names that look like our attributes
            siblings.append(lifted)
            sequence.append(name)
        else:
            # An entity that was not replaced stands for itself.
            _add_text(child.text, texts, sequence, html=html, verbatim=verbatim)
        _add_text(child.tail, texts, sequence, html=html, verbatim=verbatim)
    if texts:
        members["#text"] = " ".join(texts)
    return Element(members, tuple(sequence))


def _add_text(text: str | None, texts: list[str], sequence: list[str], *, html: bool, verbatim: bool) -> None:
    if not text or (not text.strip() and not verbatim):
        return
    if verbatim:
        texts.append(text)
    else:
        texts.append(" ".join(text.split()) if html else text.strip())
    sequence.append("#text")


def _split(node: etree._Element) -> tuple[str, str]:
    """Namespace and local name; lxml's QName refuses the names that HTML's parser lets through."""
    tag = _text(node.tag)
    namespace, closed, name = tag[1:].partition("}")
    return (namespace, name) if tag.startswith("{") and closed else ("", tag)


def _name(node: etree._Element) -> str:
    return _split(node)[1]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")
