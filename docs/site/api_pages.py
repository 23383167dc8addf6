"""Writes the API reference: a Markdown page for each public module, from its docstrings.

Docstrings are Markdown with sections such as `Args:`. Sphinx's own autodoc reads reStructuredText, so this takes its
place. Everything is imported, so that names which load at first use are found like any other.
"""

import functools
import importlib
import inspect
import re
import typing

from sphinx.pycode import ModuleAnalyzer

# Public modules that no `__all__` names.
MORE = ("keras_reid.serving.client", "keras_reid.training.adaptation", "keras_reid.training.callbacks")
_SECTION = re.compile(r"^(Args|Call arguments|Attributes|Returns|Yields|Raises|Example):$")
_ITEM = re.compile(r"^([*\w][\w*., \[\]]*): ?(.*)$")
_LONGEST_DEFAULT = 40


@functools.cache
def public_modules():
    """`{full name: module}` of the modules with a page, the package first."""
    found = {}

    def visit(name):
        module = importlib.import_module(name)
        if name not in found:
            found[name] = module
            for child in getattr(module, "__all__", ()):
                if inspect.ismodule(value := getattr(module, child)):
                    visit(value.__name__)  # some lie deeper than they are named

    for name in ("keras_reid", *MORE):
        visit(name)
    return {name: found[name] for name in sorted(found)}


def public_names(module):
    """The names that a public module offers, without modules: its `__all__`, or what it defines itself."""
    names = getattr(module, "__all__", None)
    if names is None:
        own = (
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        )
        names = sorted(name for name in own if not name.startswith("_"))
    return [name for name in names if not inspect.ismodule(getattr(module, name))]


@functools.cache
def homes():
    """`{full name: full name of its description}`; what two modules offer is described in the one nearer the top."""
    found, first = {}, {}
    for name, module in sorted(public_modules().items(), key=lambda item: (item[0].count("."), item[0])):
        for part in public_names(module):
            value = getattr(module, part)
            full = f"{name}.{part}"
            found[full] = first.setdefault(value, full) if _is_described(value) else full
    return found


def _is_described(value):
    return inspect.isclass(value) or inspect.isroutine(value)


def write(folder):
    """Writes the pages into a folder, and removes those that are no longer needed."""
    pages = {f"{name}.md": "\n".join(_page(name)) + "\n" for name in public_modules()}
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        if file.name not in pages:
            file.unlink()
    for name, text in pages.items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:  # else Sphinx would read it again
            file.write_text(text, encoding="utf-8")


def contents(pages, caption=None):
    """A menu of pages that is not shown on the page itself."""
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def _page(name):
    module = public_modules()[name]
    yield f"# {name}" if name != "keras_reid" else "# API reference"
    yield from ("", f"```{{py:module}} {name}", "```", "")
    yield from _text(module.__doc__, name)
    if name == "keras_reid":
        others = [other for other in public_modules() if other != name]
        for other in others:
            yield f"- [{other}]({other}.md): {_first_line(public_modules()[other].__doc__)}"
        yield contents(others)
    for part in public_names(module):
        full = f"{name}.{part}"
        value = getattr(module, part)
        yield ""
        if homes()[full] != full:
            yield from _directive(_kind(value), part, [f"Same as {{py:obj}}`{homes()[full]}`."])
        else:
            yield from _described(value, part, name)


def _described(value, name, module):
    if not _is_described(value):
        shown = repr(value)
        options = [f":type: {type(value).__name__}", *([f":value: {shown}"] if len(shown) <= 60 else [])]
        yield from _directive("data", name, [*options, "", *_constant(value)])
    elif inspect.isclass(value):
        written = value.__doc__ or ""
        own = "" if written.startswith(f"{value.__name__}(") else written  # not what dataclasses write
        body = [*_text(own, module), *_members(value, module)]
        yield from _directive("class", name + _signature(value.__init__), body, depth=5)
    else:
        yield from _directive("function", name + _signature(value), [*_text(value.__doc__, module)])


def _constant(value):
    if isinstance(value, dict):
        yield f"{len(value)} entries: {', '.join(f'`{key}`' for key in value)}."


def _members(cls, module):
    """What a class and its own base classes define, if it has a docstring."""
    seen = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("keras_reid"):
            continue
        fields = _field_texts(base)
        for name, value in {**dict.fromkeys(fields), **vars(base)}.items():
            if (name.startswith("_") and name != "__call__") or name in seen:
                continue
            seen.add(name)
            plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if inspect.isfunction(plain) and plain.__doc__:
                options = [
                    f":{kind}:" for kind in ("classmethod", "staticmethod") if type(value).__name__ == kind
                ]
                bound = not isinstance(value, staticmethod)
                text = [*options, "", *_text(plain.__doc__, module)]
                yield from _directive("method", name + _signature(plain, bound), text)
            elif isinstance(value, (property, functools.cached_property)) and value.__doc__:
                yield from _directive("property", name, [*_text(value.__doc__, module)])
            elif name in fields:
                yield from _directive("attribute", name, [*_text(fields[name], module)])


def _field_texts(cls):
    """`{name: docstring}` of the fields that are followed by a string."""
    try:
        texts = ModuleAnalyzer.for_module(cls.__module__).find_attr_docs()
    except Exception:  # a class that was made without a source file
        return {}
    return {name: "\n".join(lines) for (owner, name), lines in texts.items() if owner == cls.__qualname__}


def _kind(value):
    return "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"


def _directive(kind, signature, body, depth=4):
    """A description in the Python domain of Sphinx, which indexes it."""
    yield f"{':' * depth}{{py:{kind}}} {signature}"
    yield from body
    yield from (":" * depth, "")


def _signature(function, bound=True):
    """`(x: int = 3, *, name: str | None = None)`, on one line, without the type's metadata and long defaults."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return "()"
    parameters = list(signature.parameters.values())
    if bound and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # a name that only type checkers import
        hints = {}
    shown = [
        parameter.replace(
            annotation=_Text(_type(hints.get(parameter.name, parameter.annotation))),
            default=_Text(_default(parameter.default)),
        )
        for parameter in parameters
    ]
    answer = hints.get("return", signature.return_annotation)
    answer = inspect.Signature.empty if answer in (None, type(None)) else _Text(_type(answer))
    return str(signature.replace(parameters=shown, return_annotation=answer))


class _Text(str):
    """Shown by `inspect` as it is; an empty one stands for nothing."""

    __slots__ = ()

    def __new__(cls, text):
        return super().__new__(cls, text) if text else inspect.Parameter.empty

    __repr__ = str.__str__


def _type(annotation):
    if annotation is inspect.Parameter.empty:
        return ""
    shown = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", shown)


def _default(value):
    if value is inspect.Parameter.empty:
        return ""
    shown = value.__name__ if _is_described(value) else repr(value)
    return shown if len(shown) <= _LONGEST_DEFAULT and "<" not in shown else "..."


def _first_line(docstring):
    return (docstring or "").strip().partition("\n")[0]


def _text(docstring, module):
    """The docstring with its sections as lists and code blocks."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    while lines:
        line = lines.pop(0)
        section = _SECTION.match(line)
        if not section:
            yield _linked(line, module)
            continue
        body = []
        while lines and (not lines[0] or lines[0].startswith(" ")):
            body.append(lines.pop(0))
        body = inspect.cleandoc("\n" + "\n".join(body)).splitlines()
        yield from ("", f"**{section[1]}**", "")
        if section[1] == "Example":
            yield from ("```pycon" if body and body[0].startswith(">>>") else "```python", *body, "```")
        else:
            items = body if section[1] in ("Returns", "Yields") else _items(body)
            yield from (_linked(item, module) for item in items)
        yield ""


def _items(lines):
    """A list of `name: text`; other text stays as it is."""
    if not all(_ITEM.match(line) for line in lines if line and not line.startswith(" ")):
        yield from lines
        return
    for line in lines:
        item = _ITEM.match(line)
        yield f"- `{item[1]}`: {item[2]}" if item else f"  {line.strip()}"


def _linked(line, module):
    """Links the code that names something public."""

    def link(match):
        name = match[1]
        for full in (name, f"{module}.{name}"):
            if full in homes():
                return f"{{py:obj}}`{name} <{homes()[full]}>`"
            if full in public_modules():
                return f"{{py:mod}}`{name} <{full}>`"
        return match[0]

    return line if line.startswith("    ") else re.sub(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)", link, line)
