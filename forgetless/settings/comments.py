"""What the comments beside a setting say of it: the text of its help."""

import ast
import io
import tokenize

Comments = dict[int, tuple[str, bool]]
"""line -> (the comment, whether it has the line to itself)"""


def comments_of(content: bytes) -> Comments:
    """All comments of a source."""
    return {
        token.start[0]: (token.string.lstrip("# ").rstrip(), not token.line[: token.start[1]].strip())
        for token in tokenize.tokenize(io.BytesIO(content).readline)
        if token.type == tokenize.COMMENT
    }


def comment_of(node: ast.AnnAssign, comments: Comments) -> str:
    """The comments on the field's lines, else the lines of comment directly above."""
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    if beside := [comments[line][0] for line in lines if line in comments]:
        return _without_marks(" ".join(beside))
    above: list[str] = []
    line = node.lineno - 1
    while line in comments and comments[line][1]:
        above.insert(0, comments[line][0])
        line -= 1
    return _without_marks(" ".join(above))


def _without_marks(comment: str) -> str:
    """The comment without what it says to other tools."""
    for mark in ("noqa", "type: ignore", "fmt:"):
        comment = comment.partition(f"# {mark}")[0] if not comment.startswith(mark) else ""
    return comment.strip()
