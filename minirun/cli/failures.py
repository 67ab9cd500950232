"""How an error meets a person: the one printer of `minirun` and `minirun-oci`, and the exit code of each error.

    minirun: mount(2) overlay on .../merged: Invalid argument
      while: preparing the root filesystem
      hint:  an overlay cannot be stacked on this filesystem; put --root on ext4 or xfs

The first line is always there, the others where there is something to say.  --debug puts a traceback before it.

See  errors.py, the tree of what can go wrong; sh(1) "Exit status": 126 and 127
"""

from __future__ import annotations

from minirun.cli.printing import say
from minirun.errors import MinirunError, ProgramError, ProgramNotFound, sentence
from minirun.printable import printable, shortened


def show(program: str, error: Exception, *, debug: bool = False) -> None:
    """Print the error of `program` (its name on the command line) to standard error."""
    if debug:
        import traceback

        traceback.print_exception(error)
    say(printable("\n".join(lines(program, error))), err=True)


def lines(program: str, error: Exception) -> list[str]:
    """The lines of the picture above.

    >>> lines("minirun", MinirunError("this has to run as root", "sudo minirun ..."))
    ['minirun: this has to run as root', '  hint:  sudo minirun ...']
    """
    step, hint = _step_and_hint(error)
    found = [f"{program}: {shortened(sentence(error))}"]
    found += [f"  while: {step}"] if step else []
    found += [f"  hint:  {hint}"] if hint else []
    return found


def one_line(error: Exception) -> str:
    """Sentence and step in one line, for a log that a program reads."""
    step, _ = _step_and_hint(error)
    return sentence(error) + (f" (while: {step})" if step else "")


def _step_and_hint(error: Exception) -> tuple[str, str]:
    return (error.step, error.hint) if isinstance(error, MinirunError) else ("", "")


def exit_code(error: Exception, otherwise: int) -> int:
    """127 and 126 where the container's program is not there or cannot be run, as a shell has it; else `otherwise`."""
    if isinstance(error, ProgramNotFound):
        return 127
    return 126 if isinstance(error, ProgramError) else otherwise
