"""Numbers as text: what a server makes of a string that is written to a value.

Servers from 0.9 on read an expression: ``1.5e-2``, ``0x10``, ``pi/2``, ``floor(1.23e5*cos(radians(5^2)))``.
Earlier ones know a number only. What the text gives is known here before it is sent, so that it works, or is
refused because it does not fit, on every release.

Rule 1: a plain number keeps every bit: ``0xFFFFFFFFFFFFFFFF`` is no float. In an expression all are floats.
Rule 2: any text ends, in a number or in a ValueError: powers are those of floats, and the length is bounded.

Source: scrutinydebugger 0.9.0 to 0.16.0, core/math_expr.py, and what servers stored (tests/interop).

PYTEST_DONT_REWRITE
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

LONGEST = 500
"""Characters: several times what anybody writes by hand, and far from the interpreter's nesting limit."""

_WHOLE = re.compile(r"[+-]?(0x[0-9a-f]+|0b[01]+|[0-9]+)")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?")
_BASES = {"0x": 16, "0b": 2}

_OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = MappingProxyType({
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: math.pow, ast.UAdd: operator.pos, ast.USub: operator.neg,
})  # fmt: skip

_CONSTANTS: Mapping[str, float] = MappingProxyType({"pi": math.pi})


def _round(value: float, digits: float = 0.0) -> float:
    if digits != int(digits):
        raise ValueError(f"round to {digits!r} digits: expected a whole number of them")
    return round(value, int(digits))


_FUNCTIONS: Mapping[str, Callable[..., float]] = MappingProxyType({
    "abs": math.fabs, "exp": math.exp, "pow": math.pow, "sqrt": math.sqrt, "mod": math.fmod,
    "ceil": math.ceil, "floor": math.floor, "round": _round,
    "log": math.log, "ln": math.log, "log10": math.log10,
    "hypot": math.hypot, "degrees": math.degrees, "radians": math.radians,
    "cos": math.cos, "cosh": math.cosh, "acos": math.acos, "sin": math.sin, "sinh": math.sinh,
    "asin": math.asin, "tan": math.tan, "tanh": math.tanh, "atan": math.atan, "atan2": math.atan2,
})  # fmt: skip


def read_number(text: str) -> bool | int | float:
    """Return what a server takes a text for: true or false, a number, or what an expression gives.

    :raises ValueError: if it is none of these.
    """
    plain = text.strip().lower()
    if plain in ("true", "false"):
        return plain == "true"
    if _WHOLE.fullmatch(plain):
        digits = plain.lstrip("+-")
        number = int(digits, _BASES.get(digits[:2], 10))
        return -number if plain.startswith("-") else number
    if _DECIMAL.fullmatch(plain):
        return float(plain)
    return evaluate(plain)


# What the parser and the functions above raise for a text that is none of ours.
_MISTAKES = (ValueError, SyntaxError, ArithmeticError, TypeError, KeyError, RecursionError, MemoryError)


def evaluate(text: str) -> float:
    """Return what an expression gives.

    :raises ValueError: if it is none, or has no result.
    """
    if len(text) > LONGEST:
        raise ValueError(f"an expression of {len(text)} characters is too long; expected {LONGEST} at most")
    if "**" in text or "_" in text or "//" in text:  # Python's own, which no server knows
        raise ValueError(f"{text!r} is no number, and no expression that a server knows")
    try:
        return float(_evaluate(ast.parse(text.strip().replace("^", "**"), mode="eval").body))
    except _MISTAKES as exc:
        raise ValueError(f"{text!r} is no number, and no expression with a result ({exc})") from exc


def _evaluate(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id=name):
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](_evaluate(operand))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left), _evaluate(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return float(_FUNCTIONS[name](*(_evaluate(argument) for argument in arguments)))
    raise ValueError(f"{ast.dump(node)} is no math that a server knows")
