"""Which small changes a module can be given: mutmut's operators, and some of our own.

mutmut's own command is not used: it changes the bodies of functions only, and most of the numbers
that matter here (time-outs, thresholds, limits) stand at the top of a module or in a dataclass.
"""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider, QualifiedNameProvider
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.pragma_handling import IgnoredCode

# A time-out of 20 s made 21 s is no fault. Twice as long is one.
OFF_BY_ONE = 8

SWAPPED_NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
}
COMPARISONS_IN_TEXT = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > "}
# `zip(strict=True)` is an assertion, and UTF-8 is the default nearly everywhere.
NOT_CHANGED = {"strict", "encoding"}
TYPES = {"dict", "list", "tuple", "set", "Callable", "Mapping", "Sequence", "Iterator"}
LOGGING = {"debug", "info", "warning", "error", "exception", "print"}


@dataclass(frozen=True)
class Change:
    """One change: `line` counts from 1, `function` is dotted and empty at module level."""

    module: str
    line: int
    function: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What finds it again when lines have moved."""
        return self.module, self.function, self.before, self.after


def numbers(node: cst.BaseNumber) -> Iterable[cst.BaseNumber]:
    """Small whole ones by one, all others twice as large."""
    if not isinstance(node, cst.Integer | cst.Float):
        return
    value = node.evaluated_value
    small = isinstance(value, int) and value <= OFF_BY_ONE
    yield node.with_changes(value=repr(value + 1 if small else value * 2))


def strings(node: cst.SimpleString) -> Iterable[cst.SimpleString]:
    """Names and keys are spoilt, comparisons in them shifted. Words for people are left alone."""
    text = node.raw_value
    if node.quote.startswith(('"""', "'''")) or not text:
        return
    if not any(c.isspace() for c in text):
        yield node.with_changes(value=f"{node.prefix}{node.quote}XX{text}XX{node.quote}")
    for old, new in COMPARISONS_IN_TEXT.items():
        if old in text:
            yield node.with_changes(value=node.value.replace(old, new))


def arguments(node: cst.Call) -> Iterable[cst.Call]:
    """Without each named argument, flags apart, which are turned; None for each positional one."""
    for index, arg in enumerate(node.args):
        before, after = node.args[:index], node.args[index + 1 :]
        if arg.keyword:
            if arg.keyword.value in NOT_CHANGED:
                continue
            if not isinstance(arg.value, cst.Name) or arg.value.value not in ("True", "False"):
                yield node.with_changes(args=[*before, *after])
        elif not arg.star and not isinstance(arg.value, cst.Name | cst.SimpleString):
            yield node.with_changes(
                args=[*before, arg.with_changes(value=cst.Name("None")), *after]
            )


def names(node: cst.Name) -> Iterable[cst.Name]:
    """The other end, the other quantifier, the other flag."""
    if node.value in SWAPPED_NAMES:
        yield node.with_changes(value=SWAPPED_NAMES[node.value])
    yield from mutators.operator_name(node)


def left_out(node: cst.Expr) -> Iterable[cst.BaseSmallStatement]:
    """A call for its effect (flush, close, append) is not made."""
    if isinstance(node.value, cst.Call | cst.Await):
        yield cst.Pass()


def conditions(node: cst.If | cst.While) -> Iterable[cst.CSTNode]:
    """The condition turned round, where no other operator turns it."""
    if isinstance(node.test, cst.Name | cst.Attribute | cst.Call | cst.NamedExpr):
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def handlers(node: cst.ExceptHandler) -> Iterable[cst.ExceptHandler]:
    """One kind of exception fewer is caught."""
    if isinstance(node.type, cst.Tuple) and len(node.type.elements) > 1:
        for left in node.type.elements:
            kept = [e for e in node.type.elements if e is not left]
            kept[-1] = kept[-1].with_changes(comma=cst.Comma())
            yield node.with_changes(type=node.type.with_changes(elements=kept))


def not_raised(_: cst.Raise) -> Iterable[cst.BaseSmallStatement]:
    """The refusal is left out."""
    yield cst.Pass()


OPERATORS: mutators.OPERATORS_TYPE = [
    (cst.BaseNumber, numbers),
    (cst.SimpleString, strings),
    (cst.Name, names),
    (cst.Expr, left_out),
    (cst.If, conditions),
    (cst.While, conditions),
    (cst.ExceptHandler, handlers),
    (cst.Raise, not_raised),
    (cst.Call, arguments),
    (cst.Assign, mutators.operator_assignment),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
]


class Visitor(MutationVisitor):
    """mutmut's walk, past what is said to people: the words of errors and log lines."""

    METADATA_DEPENDENCIES = (*MutationVisitor.METADATA_DEPENDENCIES, QualifiedNameProvider)

    def __init__(self) -> None:
        super().__init__(OPERATORS, IgnoredCode(set(), set(), set()))

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Expr) and _is_logging(node.value):
            return False
        if isinstance(node, cst.Import | cst.ImportFrom) or _is_type(node):
            return False
        if isinstance(node, cst.Arg) and node.keyword and node.keyword.value in NOT_CHANGED:
            return False
        if isinstance(node, cst.Raise) and node.exc is not None:
            self._create_mutations(node)
            return False
        return bool(super().on_visit(node))


def _is_logging(node: cst.BaseExpression) -> bool:
    name = m.Name(m.MatchIfTrue(LOGGING.__contains__))
    return bool(m.matches(node, m.Call(func=name | m.Attribute(attr=name))))


def _is_type(node: cst.CSTNode) -> bool:
    """`Record = dict[str, Any]`, `T = TypeVar("T")`."""
    kind = m.Name(m.MatchIfTrue(TYPES.__contains__))
    variable = m.Call(func=m.Name("TypeVar"))
    return bool(m.matches(node, m.Assign(value=m.Subscript(value=kind) | variable)))


class _Functions(cst.CSTVisitor):
    """The dotted name of the function around each node."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._stack: list[str] = []
        self._inside = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._stack.append(node.name.value)
            self._inside += isinstance(node, cst.FunctionDef)
        self.names[id(node)] = ".".join(self._stack) if self._inside else ""
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._stack.pop()
            self._inside -= isinstance(original_node, cst.FunctionDef)


def changes(module: str, root: Path) -> Iterator[Change]:
    """Every change that the operators make to one file, in the order of its lines."""
    source = (root / module).read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor, functions = Visitor(), _Functions()
    wrapper.visit(functions)
    tree = wrapper.visit(visitor)
    seen = {source}
    for mutation in visitor.mutations:
        changed = tree.deep_replace(mutation.original_node, mutation.mutated_node).code
        if changed not in seen:
            seen.add(changed)
            line, before, after = _difference(source, changed)
            function = functions.names[id(mutation.original_node)]
            if not function and isinstance(mutation.original_node, cst.Assign):
                continue  # a constant: its value is changed, not taken away
            yield Change(module, line, function, before, after, changed)


def _difference(source: str, changed: str) -> tuple[int, str, str]:
    old, new = source.splitlines(), changed.splitlines()
    blocks = [
        b for b in difflib.SequenceMatcher(None, old, new, False).get_opcodes() if b[0] != "equal"
    ]
    start, end = blocks[0][1], blocks[-1][2]
    new_start, new_end = blocks[0][3], blocks[-1][4]
    return start + 1, _one_line(old[start:end]), _one_line(new[new_start:new_end])


def _one_line(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
