"""What a failing test asked for: its exception, its frames, and ``call == expected`` with real values.

Python's own names are resolved in the frame of the test, so that ``assert gcd(*case) == expected``
becomes ``gcd(17, 0) == 17``. Only expressions without calls are evaluated.
"""

import ast
import os
import traceback
from typing import Any, Dict, List, Optional, Tuple, Union

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
Claim = Optional[Tuple[ast.expr, ast.expr]]

LONG = 400  # characters of one rendered value
EQUAL = ("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual")
ALMOST = ("assertAlmostEqual", "assertSequenceEqual", "assertCountEqual", "assertSetEqual", "assertIs")


def describe(excinfo: Any, root: str) -> Dict[str, Any]:
    """The failure as plain data. ``frames`` go from outer to inner, only files under ``root``."""
    error, trace = excinfo.value, excinfo.tb
    root = os.path.realpath(root) + os.sep
    frames = []
    test = None
    while trace is not None:
        path = os.path.realpath(trace.tb_frame.f_code.co_filename)
        if path.startswith(root) and "site-packages" not in path:
            relative = path[len(root) :].replace(os.sep, "/")
            frames.append([relative, trace.tb_lineno, trace.tb_frame.f_code.co_name])
            if test is None or trace.tb_frame.f_code.co_name.startswith("test"):
                test = (trace.tb_frame, trace.tb_lineno, path)
        trace = trace.tb_next
    call, expected = expectation(*test) if test and test[0].f_code.co_name.startswith("test") else ("", "")
    return {
        "type": type(error).__name__,
        "message": "".join(traceback.format_exception_only(type(error), error))[:1500].strip(),
        "frames": frames if len(frames) <= 40 else frames[:10] + frames[-30:],
        "call": call,
        "expected": expected,
    }


def line_in(excinfo: Any, path: str) -> int:
    """The line of the test's own file that the failure passed through, 0 where there is none."""
    found = 0
    trace = excinfo.tb
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            found = found or trace.tb_lineno
        trace = trace.tb_next
    return found


def expectation(frame: Any, line: int, path: str) -> Tuple[str, str]:
    """(call, expected value) in source form, or two empty strings."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return "", ""
    function = innermost(tree, line)
    if function is None:
        return "", ""
    statement = statement_at(function, line)
    claim = claim_of(statement)
    if claim is None and isinstance(statement, ast.Assign):
        claim = later_claim(function, statement)
    if claim is None:
        return "", ""
    actual, expected = claim
    if isinstance(actual, ast.Name):
        actual = assigned(function, actual.id, line) or actual
    if not isinstance(actual, ast.Call) and isinstance(expected, ast.Call):
        actual, expected = expected, actual
    if not isinstance(actual, ast.Call):
        return "", ""
    return render(actual, frame), render(expected, frame)


def innermost(tree: ast.AST, line: int) -> Optional[Function]:
    best: Optional[Function] = None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.lineno <= line <= (node.end_lineno or line):
                if best is None or node.lineno > best.lineno:
                    best = node
    return best


def statement_at(function: Function, line: int) -> Optional[ast.stmt]:
    best: Optional[ast.stmt] = None
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function:
            if node.lineno <= line <= (node.end_lineno or line):
                if best is None or node.lineno >= best.lineno:
                    best = node
    return best


def claim_of(statement: Optional[ast.stmt]) -> Claim:
    """The two sides of an assertion; a bare ``assert x`` claims ``x == True``."""
    if isinstance(statement, ast.Assert):
        return sides(statement.test)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in EQUAL + ALMOST and len(call.args) >= 2:
            return call.args[0], call.args[1]
        if name in ("assertTrue", "assertFalse") and call.args:
            return call.args[0], ast.Constant(name == "assertTrue")
    return None


def sides(test: ast.expr) -> Claim:
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Eq, ast.Is)):
        return test.left, test.comparators[0]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand, ast.Constant(False)
    if isinstance(test, (ast.Call, ast.Name)):
        return test, ast.Constant(True)
    return None


def later_claim(function: Function, assignment: ast.Assign) -> Claim:
    """``result = f(x)`` raised: what is asserted of ``result`` further down."""
    names = {target.id for target in assignment.targets if isinstance(target, ast.Name)}
    for node in function.body:
        if node.lineno <= assignment.lineno:
            continue
        claim = claim_of(node)
        if claim and isinstance(claim[0], ast.Name) and claim[0].id in names:
            return assignment.value, claim[1]
    return None


def assigned(function: Function, name: str, line: int) -> Optional[ast.expr]:
    found = None
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and node.lineno < line and isinstance(node.value, ast.Call):
            if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
                found = node.value
    return found


def render(node: ast.expr, frame: Any) -> str:
    """Source text with the values of names put in, where they have a readable representation."""
    if isinstance(node, ast.Call):
        parts: List[str] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                known, value = evaluate(argument.value, frame)
                spread = isinstance(value, (list, tuple))
                parts.extend(map(shown, value) if known and spread else ["*" + render(argument.value, frame)])
            else:
                parts.append(render(argument, frame))
        for keyword in node.keywords:
            value = render(keyword.value, frame)
            parts.append("%s=%s" % (keyword.arg, value) if keyword.arg else "**" + value)
        return "%s(%s)" % (unparse(node.func), ", ".join(parts))
    known, value = evaluate(node, frame)
    if known:
        text = shown(value)
        if " object at 0x" not in text and len(text) <= LONG:
            return text
    return unparse(node)


def shown(value: object) -> str:
    try:
        return repr(value)[: LONG + 1]
    except Exception:  # a broken __repr__ of the code under test
        return "..."


def evaluate(node: ast.expr, frame: Any) -> Tuple[bool, Any]:
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)):
            return False, None
    try:
        code = compile(ast.Expression(ast.fix_missing_locations(node)), "<claim>", "eval")
        return True, eval(code, frame.f_globals, frame.f_locals)  # noqa: S307 - a claim of the project's own test, in its own process
    except Exception:  # the names may not be there yet, or be anything
        return False, None


def unparse(node: ast.expr) -> str:
    if hasattr(ast, "unparse"):
        return ast.unparse(node)
    if isinstance(node, ast.Name):  # Python 3.8 cannot write a tree: dotted names are what matters here
        return node.id
    if isinstance(node, ast.Attribute):
        return unparse(node.value) + "." + node.attr
    return "..."
