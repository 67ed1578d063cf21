"""Views as HTML. Every value passes through `visible` and then the template's escaping."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from differ.report.view import FrontView, ReportView
from differ.report.visible import visible


@cache
def stylesheet() -> str:
    """The style sheet, which stands in every page so that a page is one file."""
    return _asset("report.css")


@cache
def script() -> str:
    """The script: keys and live updates. A page does without it."""
    return _asset("report.js")


@cache
def policy(*, saved: bool = False, form: bool = False) -> str:
    """The content security policy of a page; of a saved one, which runs no script at all; of one with a
    form, which goes nowhere else."""
    digest = b64encode(sha256(stylesheet().encode()).digest()).decode()
    style = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
    style += "; form-action 'self'" if form else "; form-action 'none'"
    return style if saved else f"{style}; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"


def report_page(view: ReportView, *, saved: bool = False) -> str:
    """The page of a session; ``saved``: as one file that links to no server."""
    return _render("report.html", view=view, saved=saved)


def front_page(view: FrontView) -> str:
    """The page that lists the services."""
    return _render("front.html", view=view, saved=False)


def message_page(title: str, detail: str) -> str:
    """A page that says one thing, such as that there is no such page."""
    return _render("message.html", title=title, detail=detail, saved=False)


def login_page(wanted: str, fault: str) -> str:
    """The form that asks for a token and leads to ``wanted``; ``fault`` says what was wrong with the last."""
    return _render("login.html", wanted=wanted, fault=fault, saved=False)


def _render(template: str, **context: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            css=Markup(stylesheet()),  # noqa: S704  # ours, and the policy names its digest
            policy=policy(saved=True),
            **context,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("differ.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: object) -> object:
    """Each value that a template shows, before it is escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> str:
    return files("differ.report").joinpath(f"assets/{name}").read_text("utf-8")
