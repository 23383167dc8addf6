"""The frame and the style of a page, in the reader's light or dark colours."""

import re
import string

from keras_reid.utils.files import written_aside
from keras_reid.visualization.markup import markup

_HEADING = re.compile(r'<section id="([^"]+)"><h2>(.*?)</h2>')


def write_page(path, title, sections):
    """Writes one HTML file that refers to nothing outside itself, whole or not at all.

    Sections with an anchor are listed in a row of links below the first part.

    Args:
        path: the file.
        title: of the page.
        sections: `Markup`s.
    """
    first, *rest = sections
    links = "".join(
        f'<a href="#{anchor}">{heading}</a>' for anchor, heading in _HEADING.findall("\n".join(rest))
    )
    navigation = f'<nav aria-label="sections">{links}</nav>' if links else ""
    body = "\n".join((first, navigation, *rest))
    with written_aside(path) as aside:
        aside.write_text(_PAGE.substitute(title=markup(title), body=body), encoding="utf-8")


_PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --panel: #f6f8fa; --heat: #54aeff;
  --right: #1a7f37; --wrong: #cf222e;
  --c0: #0969da; --c1: #bc4c00; --c2: #8250df; --c3: #1a7f37; --c4: #bf3989; --c5: #7d4e00;
}
@media (prefers-color-scheme: dark) { :root {
  --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #3d444d; --panel: #151b23; --heat: #1f6feb;
  --right: #3fb950; --wrong: #f85149;
  --c0: #4493f8; --c1: #f0883e; --c2: #ab7df8; --c3: #3fb950; --c4: #db61a2; --c5: #d29922;
} }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 3rem 0 .8rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; } h3 span { color: var(--faint); font-weight: 400; margin-left: .6rem; }
h3.group { font-size: 1.05rem; margin: 2rem 0 -.6rem; }
h4 { font-size: .85rem; font-weight: 600; color: var(--faint); margin: .6rem 0 .3rem; }
.purpose { margin: .4rem 0 0; font-size: 1.05rem; color: var(--faint); max-width: 60rem; }
.note, figcaption { color: var(--faint); font-size: .85rem; } .note { max-width: 52rem; margin: .5rem 0; }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1.4rem; }
.tiles div { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem 1.6rem .8rem; }
.tiles b { display: block; font-size: 2.3rem; line-height: 1.15; font-variant-numeric: tabular-nums; }
.tiles small { font-size: 1.1rem; font-weight: 400; color: var(--faint); } .tiles span { color: var(--faint); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: 1.8rem 0 0; }
a { color: var(--c0); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr)); gap: .9rem 1.5rem;
  margin: 1.6rem 0 0; }
dt { color: var(--faint); font-size: .8rem; } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4rem 0; }
th, td { padding: .35rem .9rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; }
thead th { white-space: nowrap; color: var(--faint); font-size: .85rem; font-weight: 600; vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0; }
.words th, .words td { text-align: left; vertical-align: top; }
.words td { font: .85rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.words tbody th { white-space: nowrap; color: var(--faint); font-size: .85rem; }
.heat { font-size: .85rem; line-height: 1.3; } .heat td { text-align: center; border: 2px solid var(--paper);
  background: color-mix(in srgb, var(--heat) calc(var(--depth, 0%) * .5), var(--panel)); padding: .4rem .7rem; }
.heat th { border: 0; } .heat thead th { text-align: center; } tr.best td, td.best { font-weight: 700; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 1.6rem 2rem;
  margin-top: 1rem; align-items: start; }
.chart { margin: 0; min-width: 0; } .chart figcaption b { color: var(--ink); font-size: .95rem; margin-right: .5rem; }
.chart > svg { width: 100%; height: auto; display: block; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.1rem; font-size: .82rem; min-height: 1.3rem; }
.legend svg { width: 22px; height: 8px; vertical-align: middle; }
svg line { stroke-width: 2; } svg text { fill: var(--faint); font-size: 12px; } svg text.strong { fill: var(--ink); }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .guide, svg .mark { fill: none; stroke: var(--faint); stroke-width: 1.3; stroke-dasharray: 5 4; }
svg .area { opacity: .22; }
.list { display: flex; gap: .6rem; align-items: flex-end; overflow-x: auto; padding-bottom: .4rem; }
.list figure { margin: 0; flex: none; } .list figure.query { margin-right: .8rem; }
.maps .list { margin-top: .8rem; }
img { display: block; box-sizing: content-box; border: 2px solid var(--faint); border-radius: 3px; }
.right img { border: 5px solid var(--right); } .wrong img { border-color: var(--wrong); }
.missed .right img { border-width: 2px; border-style: dashed; }
.missed figcaption span { display: block; margin: 0; }
.list figcaption { font-variant-numeric: tabular-nums; font-size: .8rem; white-space: nowrap; }
figcaption span { margin-left: .3rem; }
.right figcaption { color: var(--right); } .wrong figcaption { color: var(--wrong); }
.more { align-self: center; margin: 0 .5rem; color: var(--faint); font-size: .85rem; flex: none; }
@media (max-width: 560px) { body { padding: 1.2rem 1rem 3rem; } .tiles { gap: .5rem; }
  .tiles div { padding: .6rem .8rem; }  .tiles b { font-size: 1.6rem; } dl { grid-template-columns: 1fr 1fr; } }
@media print { body { max-width: none; padding: 0; font-size: 12px; } nav { display: none; }
  .list { flex-wrap: wrap; } .list, .chart, tr { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
  * { print-color-adjust: exact; } }
</style>
</head>
<body>
$body
</body>
</html>
""")
