"""``kcode completion``: the script that lets a shell complete kcode's commands, printed or put in place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from kcode.errors import UsageError
from kcode.i18n import _

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_BASH = """\
# bash completion of kcode
_kcode_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(kcode __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null))
    case "${COMPREPLY[0]}" in
    :files)
        COMPREPLY=($(compgen -f -- "$2"))
        compopt -o filenames 2>/dev/null
        ;;
    :folders)
        COMPREPLY=($(compgen -d -- "$2"))
        compopt -o filenames 2>/dev/null
        ;;
    */) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -F _kcode_complete kcode
"""

_ZSH = """\
#compdef kcode
# zsh completion of kcode
_kcode() {
    local -a found
    found=("${(@f)$(kcode __complete zsh "$BUFFER[1,CURSOR]" 2>/dev/null)}")
    case "$found[1]" in
    :files) _files ;;
    :folders) _files -/ ;;
    '') return 1 ;;
    *)
        [[ $PREFIX == --*=* ]] && compset -P '*='
        _describe -V kcode found
        ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _kcode "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _kcode kcode
fi
"""

_FISH = """\
# fish completion of kcode
function __kcode_complete
    set -l found (kcode __complete fish (commandline -cp) 2>/dev/null)
    switch "$found[1]"
        case ':files*'
            __fish_complete_path (commandline -ct)
        case ':folders*'
            __fish_complete_directories (commandline -ct)
        case '*'
            string join -- \\n $found
    end
end
complete -c kcode -f -a '(__kcode_complete)'
"""

_POWERSHELL = """\
# PowerShell completion of kcode
Register-ArgumentCompleter -Native -CommandName kcode -ScriptBlock {
    param($word, $tree, $cursor)
    $line = $tree.ToString().PadRight($cursor, ' ').Substring(0, $cursor)
    kcode __complete powershell "$line" 2>$null | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $value.StartsWith(':')) {
            if (-not $help) { $help = $value }
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
        }
    }
}
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}
_MARK = "# kcode completion"


class Place(NamedTuple):
    """Where a shell's script goes, and the start-up file that has to name it (None: the shell finds it)."""

    script: Path
    start_up: Path | None = None
    line: str = ""


@app.command()
def completion(
    shell: Annotated[
        str, typer.Argument(metavar="[SHELL]", help="bash, zsh, fish or powershell; without: yours.")
    ] = "",
    install: Annotated[bool, typer.Option("--install", help="Put it where the shell finds it.")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove what --install wrote.")] = False,
) -> int:
    """Complete commands, options and values by Tab: print the shell's script, or put it in place."""
    from kcode.cli import placing

    if install and uninstall:
        raise UsageError(_("--install and --uninstall do not go together"))
    name = named(shell)
    if not (install or uninstall):
        print(SCRIPTS[name], end="")
        return 0
    place = place_of(name)
    if install:
        placing.put(place.script, SCRIPTS[name])
        if place.start_up is not None:
            placing.add_line(place.start_up, f"{place.line}  {_MARK}", _MARK)
        print(_("It holds in every shell that is opened from now on."), file=sys.stderr)
    else:
        placing.remove(place.script)
        if place.start_up is not None:
            placing.take_line(place.start_up, _MARK)
    return 0


def named(shell: str) -> str:
    """The shell that was named, else the one in use. Raises UsageError for any other."""
    name = (shell or Path(os.environ.get("SHELL", "")).name).lower()
    name = {"pwsh": "powershell"}.get(name, name)
    if not name and sys.platform == "win32":
        name = "powershell"
    if name not in SCRIPTS:
        known = ", ".join(SCRIPTS)
        message = _("there is no completion for {shell!r}").format(shell=name) if name else _("which shell?")
        raise UsageError(message, _("kcode completion SHELL; there are: {known}").format(known=known))
    return name


def place_of(shell: str) -> Place:
    """Where the script of ``shell`` is installed for this user."""
    home = Path.home()
    data = _folder("XDG_DATA_HOME", home / ".local" / "share")
    config = _folder("XDG_CONFIG_HOME", home / ".config")
    if shell == "fish":
        return Place(config / "fish" / "completions" / "kcode.fish")
    if shell == "bash":
        script = data / "bash-completion" / "completions" / "kcode"
        if _has_bash_completion():
            return Place(script)
        return Place(script, home / ".bashrc", f'source "{script}"')
    if shell == "zsh":
        script = data / "kcode" / "completion.zsh"
        return Place(script, _folder("ZDOTDIR", home) / ".zshrc", f'source "{script}"')
    script = data / "kcode" / "completion.ps1"
    if sys.platform == "win32":
        profile = home / "Documents" / "PowerShell" / "Microsoft.PowerShell_profile.ps1"
    else:
        profile = config / "powershell" / "Microsoft.PowerShell_profile.ps1"
    return Place(script, profile, f'. "{script}"')


def installed(shell: str) -> bool:
    """Whether ``--install`` has been there."""
    return place_of(shell).script.is_file()


def _has_bash_completion() -> bool:
    """The package that loads scripts from the user's folder by itself."""
    places = ("/usr/share/bash-completion/bash_completion", "/etc/profile.d/bash_completion.sh")
    brew = ("/opt/homebrew/etc/profile.d/bash_completion.sh", "/usr/local/etc/profile.d/bash_completion.sh")
    return any(Path(place).exists() for place in (*places, *brew))


def _folder(variable: str, otherwise: Path) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if named and Path(named).is_absolute() else otherwise
