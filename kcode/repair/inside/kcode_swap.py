"""Candidates without a new start: the program is imported and its tests are collected once.

A process that has collected the tests waits in pytest's loop. For each candidate it forks, and the child
gives the functions that the candidate changes their new code, runs the tests that decide, and ends. What
cannot be exchanged in a running program (a signature, a decorator, what importing it has used already) is
refused; the judge then runs the candidate the slow way. Python 3.8 and later, where there is fork.
"""

import __future__

import gc
import os
import types
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import kcode_child  # type: ignore[import-not-found]
import kcode_judge  # type: ignore[import-not-found]
import pytest

Note = Dict[str, Any]
Tell = Callable[[Note], None]
Code = types.CodeType
Functions = Dict[str, List[types.FunctionType]]  # by the real path of their file

FUTURE = 0
for _name in __future__.all_feature_names:
    FUTURE |= getattr(__future__, _name).compiler_flag


class Server:
    """A plugin of pytest: instead of running the tests it serves requests, one a line."""

    def __init__(self, reporter: Any, requests: int, answers: int) -> None:
        self.reporter, self.requests, self.answers = reporter, requests, answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> None:
        items = {item.nodeid: item for item in session.items}
        functions = known_functions()
        gc.freeze()  # the children need not look through what they inherit
        kcode_judge.write(self.answers, {"open": len(items)})
        for request in kcode_judge.lines_of(self.requests):

            def work(tell: Tell, asked: Note = request) -> None:
                self.child(asked, tell, items, functions)

            answer = kcode_judge.forked(request, self.requests, work)
            if answer is None:
                break
            kcode_judge.write(self.answers, answer)
        os._exit(0)

    def child(self, request: Note, tell: Tell, items: Dict[str, Any], functions: Functions) -> None:
        chosen = [items[name] for name in request["first"] if name in items]
        try:
            done = len(chosen) == len(request["first"]) and exchange(request["swap"], functions)
        except (SyntaxError, ValueError) as error:
            tell({"problem": str(error)})
            tell({"finished": 1, "modules": []})
            return
        if not done:
            tell({"refused": True})
            return
        kcode_child.limit_cpu(request["wall_s"])
        self.reporter.begin(request, tell)
        for number, item in enumerate(chosen):
            following = chosen[number + 1] if number + 1 < len(chosen) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.shouldfail:
                break
        tell({"finished": 0, "modules": []})


def known_functions() -> Functions:
    by_name: Functions = {}
    for one in gc.get_objects():
        if type(one) is types.FunctionType:
            by_name.setdefault(one.__code__.co_filename, []).append(one)
    found: Functions = {}
    for name, functions in by_name.items():
        found.setdefault(os.path.realpath(name), []).extend(functions)
    return found


def exchange(swap: Note, functions: Functions) -> bool:
    """Give the function that begins at ``first`` of ``path``, and what it made, the code of ``text``. Raises
    SyntaxError, or ValueError, where that is no Python."""
    known = functions.get(os.path.realpath(swap["path"]), [])
    wanted = (swap["first"], swap["name"])
    all_codes = {id(one.__code__): one.__code__ for one in known}
    codes = {
        number: code for number, code in all_codes.items() if (code.co_firstlineno, code.co_name) == wanted
    }
    changes: Dict[int, Code] = {}
    for old in codes.values():
        new = compiled(swap, old)
        if new is None or not same_signature(old, new):
            return False
        changes.update({id(before): after for before, after in pairs(old, new)})
    inside = {id(nested) for old in codes.values() for nested in nested_in(old)}
    done = False
    for function in known:
        after = changes.get(id(function.__code__))
        if after is None and id(function.__code__) in inside:
            return False  # a function that it made has no counterpart any more
        if after is not None:
            try:
                function.__code__ = after
            except ValueError:  # it closes over other names now
                return False
            done = True
    return done


def compiled(swap: Note, old: Code) -> Optional[Code]:
    """The new code of the function, compiled where it stands: line numbers, class and all."""
    lines = ["%sclass %s:\n" % (" " * depth, name) for depth, name in enumerate(swap["owners"])]
    if not lines and swap["text"][:1] in " \t":
        lines = ["if 1:\n"]
    above = swap["first"] - 1 - len(lines)
    if above < 0:
        return None
    text = "\n" * above + "".join(lines) + swap["text"]
    module = compile(text, old.co_filename, "exec", old.co_flags & FUTURE, True)
    wanted = (swap["first"], swap["name"])
    return next((one for one in nested_in(module) if (one.co_firstlineno, one.co_name) == wanted), None)


def same_signature(old: Code, new: Code) -> bool:
    def told(code: Code) -> Tuple[Any, ...]:
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        return (code.co_argcount, code.co_kwonlyargcount, code.co_flags & 12, code.co_varnames[:count])

    return told(old) == told(new)


def nested_in(code: Code) -> Iterator[Code]:
    for one in code.co_consts:
        if isinstance(one, Code):
            yield one
            yield from nested_in(one)


def pairs(old: Code, new: Code) -> Iterator[Tuple[Code, Code]]:
    """Old code and the new code that takes its place, for the function and what is defined in it."""
    yield old, new
    olds = [one for one in old.co_consts if isinstance(one, Code)]
    news = [one for one in new.co_consts if isinstance(one, Code)]
    if [one.co_name for one in olds] == [one.co_name for one in news]:
        for number, before in enumerate(olds):
            yield from pairs(before, news[number])
        return
    for before in olds:
        after_it = [one for one in news if one.co_name == before.co_name]
        if len(after_it) == 1 and sum(one.co_name == before.co_name for one in olds) == 1:
            yield from pairs(before, after_it[0])
