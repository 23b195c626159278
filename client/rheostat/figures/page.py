"""One HTML file that needs nothing else: sections, tables and figures put together, for a screen and for paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

MARKED = ' class="marked"'
MOST = 24  # of a list are written out
A_LONG_TIME_AGO = 1e9  # unix time; numbers beyond it are times

CSS = """
:root { --ink: #1a1a1a; --soft: #5c5c5c; --line: #d9d9d9; --pale: #f5f5f2; --mark: #0060a8; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.5 "Source Sans 3", "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; padding-top: .7rem; border-top: 2px solid var(--ink); }
p { max-width: 46rem; margin: .6rem 0; }
.under { color: var(--soft); margin: 0 0 1.4rem; }
.note { background: var(--pale); border-left: 4px solid var(--mark); padding: .7rem 1rem; margin: 1.2rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.8rem, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.card { border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; margin: .4rem 0 1rem; }
th, td { text-align: left; padding: .32rem .7rem .32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 1.5px solid var(--ink); font-weight: 600; }
tbody th { font-weight: 400; }
tbody th.group { font-weight: 600; white-space: nowrap; }
td.number { text-align: right; padding-right: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th.number { text-align: right; padding-right: 0; }
td.text { overflow-wrap: anywhere; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: .85rem; }
table.columns { font-size: .88rem; } table.columns td, table.columns thead th { padding: .2rem 1.1rem .2rem 0; }
table.columns th.group { padding-top: .9rem; }
tr.marked { font-weight: 700; background: var(--pale); }
table.dense { font-size: .85rem; } table.dense td, table.dense th { padding-top: .12rem; padding-bottom: .12rem; }
figure { margin: 1.2rem 0 2rem; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 46rem; margin-top: .3rem; }
figcaption b { color: var(--ink); }
footer { color: var(--soft); font-size: .85rem; margin-top: 3rem; border-top: 1px solid var(--line);
  padding-top: .7rem; }
@media print { main { max-width: none; padding: 0; } body { font-size: 10.5pt; }
  .cards { grid-template-columns: repeat(5, 1fr); } footer { margin-top: 1rem; }
  figure { margin: .4rem 0 .9rem; } figure svg { max-height: 104mm; } table.columns { font-size: 8.5pt; }
  figure, .cards, tr { break-inside: avoid; } h2 { break-after: avoid; } @page { margin: 16mm; } }
"""


def page(title: str, under: str, parts: Iterable[str], footer: str) -> str:
    """The whole document. title, under, footer: text; parts: HTML made by the functions below."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="under">{escape(under)}</p>\n'
        + "\n".join(parts)
        + f"\n<footer>{escape(footer)}</footer>\n</main>\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def note(text: str) -> str:
    """What a reader must not miss."""
    return f'<p class="note">{escape(text)}</p>'


def cards(pairs: Iterable[tuple[str, str]]) -> str:
    """A few numbers, large: (value, what it is)."""
    inside = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in pairs
    )
    return f'<div class="cards">{inside}</div>'


def grouped_table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Rows (section, label, value); a section is named once."""
    lines = []
    before = None
    for section, label, value in rows:
        name = escape(section) if section != before else ""
        lines.append(
            f'<tr><th class="group" scope="row">{name}</th><th scope="row">{escape(label)}</th>'
            f'<td class="number">{escape(value)}</td></tr>'
        )
        before = section
    return f"<table><tbody>{''.join(lines)}</tbody></table>"


def columns_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = (), marked: Sequence[int] = ()
) -> str:
    """Rows (section, cells ...) under headers of the cells, each section under a row of its own; numbers: columns of
    the cells that are set as such; marked: rows in bold."""
    lines = []
    before = None
    for k, (section, *cells) in enumerate(rows):
        if section != before:
            before = section
            lines.append(f'<tr><th class="group" scope="rowgroup" colspan="{len(headers)}">{escape(section)}</th></tr>')
        inside = "".join(
            f'<td class="number">{escape(cell)}</td>' if column in numbers else f"<td>{escape(cell)}</td>"
            for column, cell in enumerate(cells)
        )
        lines.append(f"<tr{MARKED if k in marked else ''}>{inside}</tr>")
    head = "".join(
        f'<th scope="col" class="{"number" if column in numbers else ""}">{escape(text)}</th>'
        for column, text in enumerate(headers)
    )
    return f'<table class="columns"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def grouped_text(content: Mapping[str, Any]) -> str:
    """Names and values as they are, densely; a nested mapping is a group of rows, what is nested deeper is one row."""
    lines = []
    for group, value in content.items():
        rows = flatten(value) if isinstance(value, Mapping) else flatten({"": value})
        for k, (name, text) in enumerate(rows or [("", "none")]):
            lines.append(
                f'<tr><th class="group" scope="row">{escape(group) if k == 0 else ""}</th>'
                f'<th scope="row">{escape(name)}</th><td class="text">{escape(text)}</td></tr>'
            )
    return f'<table class="dense"><tbody>{"".join(lines)}</tbody></table>'


def figure(svg: str, name: str, caption: str) -> str:
    """An SVG with a caption; `name` is also what a screen reader says."""
    labelled = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1)
    return f"<figure>{labelled}<figcaption><b>{escape(name)}.</b> {escape(caption)}</figcaption></figure>"


def flatten(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of every entry; what is nested is written out in one text, long lists shortened."""
    return [(str(name), _text(value) or "none") for name, value in content.items()]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_text(item) for item in value[:MOST])
        return shown + (f", ... ({len(value)} in all)" if len(value) > MOST else "")
    if isinstance(value, float) and value > A_LONG_TIME_AGO:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
