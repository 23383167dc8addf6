"""The frame and the style of the report, in the reader's light or dark colours."""

import string

PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root {
  --paper: #fff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --panel: #f6f8fa;
  --right: #1a7f37; --wrong: #cf222e;
  --c0: #0969da; --c1: #bc4c00; --c2: #8250df; --c3: #1a7f37; --c4: #bf3989;
}
@media (prefers-color-scheme: dark) { :root {
  --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #3d444d; --panel: #151b23;
  --right: #3fb950; --wrong: #f85149;
  --c0: #4493f8; --c1: #f0883e; --c2: #ab7df8; --c3: #3fb950; --c4: #db61a2;
} }
body { margin: 0 auto; max-width: 1200px; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { font-weight: 600; }
.wide, .list { overflow-x: auto; }
.note, figcaption { color: var(--faint); font-size: .85rem; }
pre { background: var(--panel); padding: 1rem; overflow: auto; max-height: 30rem; font-size: .82rem; }
.list { display: flex; gap: .6rem; align-items: flex-end; padding-bottom: .4rem; }
figure { margin: 0; flex: none; } figure.query { margin-right: .8rem; }
img { display: block; box-sizing: content-box; border: 2px solid var(--faint); }
.right img { border: 5px solid var(--right); } .wrong img { border-color: var(--wrong); }
figcaption { font-variant-numeric: tabular-nums; } figcaption span { margin-left: .4rem; }
.right figcaption { color: var(--right); } .wrong figcaption { color: var(--wrong); }
svg { max-width: 100%; height: auto; } svg text { fill: var(--faint); font-size: 12px; }
svg .grid { stroke: var(--line); } svg .curve { fill: none; stroke-width: 2; }
</style>
</head>
<body>
$body
</body>
</html>
""")
