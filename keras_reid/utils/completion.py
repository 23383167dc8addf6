"""Scripts that complete commands and their options in bash and zsh.

tyro has such scripts too, but they complete no file names after a command, and start Python at each keystroke.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

import tyro

SHELLS = ("bash", "zsh")

# Both shells run the same function. It offers commands, then options, and after an option its choices; where it offers
# nothing (`-o default`), the shell completes file names.
_SCRIPT = """_{name}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} option= place=$COMP_CWORD choices=
  while [ "$place" -gt 2 ] && [ -z "$option" ]; do
    place=$((place - 1))
    case ${{COMP_WORDS[place]}} in -*) option=${{COMP_WORDS[place]}} ;; esac
  done
  case "$COMP_CWORD ${{COMP_WORDS[1]}} $word" in
    1\\ *) choices="{commands}" ;;
{options}
{first}
    *) case "${{COMP_WORDS[1]}} $option" in
{choices}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$word"))
}}
complete -o default -F _{name} {program}"""
_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"


def completion_script(shell: str, program: str, commands: Mapping[str, Mapping[str, tuple[str, ...]]]) -> str:
    """The script that a user's shell evaluates.

    Args:
        shell: `"bash"` or `"zsh"`.
        program: the name that is completed.
        commands: command → option → its choices, as `options_of` gives them.

    Example:
        >>> print(completion_script("bash", "tool", {"copy": {"--mode": ("fast", "safe")}}))  # doctest: +ELLIPSIS
        _tool() {
        ...
        complete -o default -F _tool tool
    """
    script = _SCRIPT.format(
        name=program.replace("-", "_"),
        program=program,
        commands=" ".join(commands),
        options="\n".join(
            f'    *\\ {command}\\ -*) choices="{" ".join((*filter(None, options), "--help"))}" ;;'
            for command, options in commands.items()
        ),
        first="\n".join(
            f'    2\\ {command}\\ *) choices="{" ".join(options[""])}" ;;'
            for command, options in commands.items()
            if "" in options
        ),
        choices="\n".join(
            f'      "{command} {option}") choices="{" ".join(choices)}" ;;'
            for command, options in commands.items()
            for option, choices in options.items()
            if option and choices
        ),
    )
    return (_ZSH if shell == "zsh" else "") + script


def options_of(kind: type) -> dict[str, tuple[str, ...]]:
    """Option → its choices, `()` where there are none, of a dataclass that tyro parses.

    The choices of the first word, if it has any, are under the empty name.

    Example:
        >>> @dataclasses.dataclass
        ... class Copy:
        ...     source: tyro.conf.Positional[str]
        ...     mode: typing.Literal["fast", "safe"] = "fast"
        ...     batch_size: int = 1
        >>> options_of(Copy)
        {'--mode': ('fast', 'safe'), '--batch-size': ()}
    """
    options: dict[str, tuple[str, ...]] = {}
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        plain = hint.__origin__ if hasattr(hint, "__metadata__") else hint
        if tyro.conf.Positional in getattr(hint, "__metadata__", ()):
            if not options and (choices := _choices(plain)):
                options[""] = choices
        elif dataclasses.is_dataclass(plain):
            options |= options_of(plain)
        else:
            options[f"--{field.name.replace('_', '-')}"] = _choices(plain)
    return options


def _choices(hint: Any) -> tuple[str, ...]:
    """What a `Literal` somewhere in a type allows."""
    if typing.get_origin(hint) is typing.Literal:
        return tuple(map(str, typing.get_args(hint)))
    return tuple(choice for part in typing.get_args(hint) for choice in _choices(part))
