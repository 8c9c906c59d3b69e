"""spot.py - pgspot's findings in an extension script as TAP; called by check.sh, which installs pgspot.

    spot.py SCRIPT ALLOWED

ALLOWED has a line for each finding that is right as it is, three fields between tabs: code, finding, reason. A finding is
`object: what`, as a line `not ok` names it. Empty lines and lines that begin with # say nothing. A finding that is not listed
fails, and so does a line of the list that nothing was found for.

pgspot is called statement by statement through its library, since its command ends in silence at what its parsers do not know,
and leaves the rest of the script unread:
  - a function with a body in SQL's own syntax (RETURN, BEGIN ATOMIC): names in it are resolved when it is created, so the
    script's search_path counts and the function needs none of its own, unless it is SECURITY DEFINER;
  - a PL/pgSQL variable of a table's type: its parser has no catalogue, and takes a record.
"""
import re
import sys
from types import SimpleNamespace

from pglast import ast, parse_plpgsql, parse_sql
import pgspot.visitors
from pgspot.state import Counter, State

UNSAFE = "SELECT now();"    # what must be found, or nothing is


class Visitor(pgspot.visitors.SQLVisitor):
    def visit_CreateFunctionStmt(self, ancestors, node):
        if node.sql_body is not None:
            options = list(node.options or ()) + [ast.DefElem(defname="as", arg=(ast.String(""),))]
            if not any(option.defname == "language" for option in options):
                options.append(ast.DefElem(defname="language", arg=ast.String("sql")))
            node.options = tuple(options)
            self.state.args.proc_without_search_path.append(pgspot.visitors.format_function(node))
        super().visit_CreateFunctionStmt(ancestors, node)


def visit_plpgsql(state, node):
    """Reads the function as it is written: what pgspot prints from its tree lacks quotes that the parser wants."""
    if isinstance(node, (ast.CreateFunctionStmt, ast.DoStmt)):
        for item in parse_plpgsql(re.sub(r"(?m)^(\s*\w+\s+)\w+\.\w+(%ROWTYPE)?;", r"\1record;", state.counter.statement)):
            pgspot.visitors.PLPGSQLVisitor(state)(item)


pgspot.visitors.SQLVisitor = Visitor
pgspot.visitors.visit_plpgsql = visit_plpgsql


class Findings(Counter):
    """Keeps what is found instead of printing it."""

    def __init__(self):
        super().__init__(SimpleNamespace(ignore=[], ignore_lang=[], proc_without_search_path=[], sql_fn=[], plpgsql=True,
                                         summary_only=False))
        self.object = ""    # what the statement in hand is about
        self.statement = ""
        self.found = {}     # (code, "object: what") -> line; dict, so that they stay in the script's order

    def keep(self, code, what):
        self.found.setdefault((code, f"{self.object}: {' '.join(str(what).split())}"), self.line_number())

    def warn(self, code, context):
        self.keep(code, context)

    def error(self, code, context):
        self.keep(code, context)

    def unknown(self, message):
        self.keep("unknown", message)


def name_of(stmt):
    """What a statement is about, so that a finding does not need a line number."""
    def dotted(parts):
        return ".".join(part.sval for part in parts)

    match stmt:
        case ast.CreateFunctionStmt():
            return dotted(stmt.funcname)
        case ast.CreateStmt() | ast.IndexStmt() | ast.CreateTrigStmt() | ast.RuleStmt():
            return f"{stmt.relation.schemaname}.{stmt.relation.relname}"
        case ast.CreatePolicyStmt():
            return f"{stmt.table.schemaname}.{stmt.table.relname}"
        case ast.ViewStmt():
            return f"{stmt.view.schemaname}.{stmt.view.relname}"
        case ast.DefineStmt():
            return dotted(stmt.defnames)
        case _:
            return type(stmt).__name__.removesuffix("Stmt")


def findings_in(script):
    """pgspot.visitors.visit_sql, but past a statement that cannot be read; also how many statements there were."""
    findings = Findings()
    state = State(findings)
    # As visit_sql does it, before anything is parsed.
    script = script.replace("@extschema@", "extschema").replace("@extowner@", "extowner")
    findings.sql = script = re.sub(r"^\\", r"-- \\", script, flags=re.MULTILINE)
    visitor = Visitor(state)
    statements = parse_sql(script)
    for statement in statements:
        findings.stmt_location = statement.stmt_location
        findings.object = name_of(statement.stmt)
        findings.statement = script[statement.stmt_location:][:statement.stmt_len or None]
        try:
            visitor(statement)
        except Exception as error:  # pylint: disable=broad-exception-caught
            findings.keep("unread", f"{type(error).__name__}: {error}")
    return findings.found, len(statements)


def read_allowed(path):
    allowed = {}
    with open(path, encoding="utf8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            if len(fields) != 3 or not all(field.strip() for field in fields):
                sys.exit(f"{path}, line {number}: code, finding and reason wanted, between tabs")
            allowed[fields[0], fields[1]] = fields[2]
    return allowed


def main(script, allowed_path):
    with open(script, encoding="utf8") as file:
        found, statements = findings_in(file.read())
    allowed = read_allowed(allowed_path)
    results = [(any(code == "PS016" for code, _ in findings_in(UNSAFE)[0]), "pgspot finds an unqualified call"),
               (statements > 0, f"{statements} statements read")]
    for (code, finding), line in found.items():
        reason = allowed.get((code, finding))
        results.append((reason is not None, f"{code} {finding} (line {line})" + (f", allowed: {reason}" if reason else "")))
    for code, finding in allowed:
        if (code, finding) not in found:
            results.append((False, f"{allowed_path} allows what is not found: {code} {finding}"))
    for number, (good, text) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    print(f"1..{len(results)}")
    return 0 if all(good for good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
