"""house.py - proves that every file keeps to the layers of the house; prints the layers as a picture, then TAP.

    house.py [--write]

Run in the top folder, after the objects were built: `make house` does both. The rules:
  - A file includes and calls only what stands in its own layer or in a layer below (LAYERS, USES).
  - No two files call each other in a circle, nor do two headers include each other in a circle.
  - src/core includes the headers of C and ICU, and none of PostgreSQL's.
  - src/pg takes from the core only what include/xmcoh declares; include/xmcoh includes no private header of the core.
  - src/cli shares nothing with the extension.
  - No function is longer than 80 lines, and no source file longer than 800.
  - doc/design.md shows the picture that this script prints; --write writes the picture there.

Calls come from the symbol tables of the object files (nm), so that a call through a macro or a pointer counts too.
The last tests plant a file that breaks each rule into a copy of the sources: the rule must find that file.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

# The layers of each part, from the lowest to the highest. Layers of one line do not use each other.
LAYERS = {
    "core": (("base",), ("numeric", "document"), ("model",), ("text_encoder",), ("network",), ("align",), ("score",),
             ("picture", "train")),
    "pg": (("base",), ("source", "model"), ("query",), ("report",), ("guard", "training"), ("schedule",), ("",)),    # "": src/pg itself
    "cli": (("",),),
}
C_HEADERS = set("assert complex ctype errno float inttypes limits math setjmp signal stdalign stdarg stdatomic stdbool "
                "stddef stdint stdio stdlib stdnoreturn string time".split())
LONGEST_FUNCTION = 80
LONGEST_FILE = 800
LANGUAGES = (".c", ".h", ".pl", ".pm", ".sh", ".sql", ".py")
SOURCE_FOLDERS = ("include", "src", "sql", "test", "doc", ".ci")
PICTURE_MARK = "<!-- printed by make house -->"
WIDTH = 112
SYMBOLS = {}    # see House.symbols


def level(part, layer):
    return next(k for k, row in enumerate(LAYERS[part]) if layer in row)


class House:
    """The sources under one folder: who includes and who calls whom. Paths are relative to that folder."""

    def __init__(self, root):
        self.root = root
        self.files = self.find_files()
        self.code = [path for path in self.files if path.startswith(("src/", "include/")) and path.endswith((".c", ".h"))]
        self.includes = {path: self.read_includes(path) for path in self.code}
        self.place = {path: self.place_of(path) for path in self.code}
        self.place_public_headers()
        self.calls = self.read_calls()

    # ---- reading ----

    def find_files(self):
        found = []
        for top in SOURCE_FOLDERS:
            for folder, _, names in os.walk(os.path.join(self.root, top)):
                found += [os.path.relpath(os.path.join(folder, name), self.root)
                          for name in names if name.endswith(LANGUAGES)]
        return sorted(path for path in found if not re.match(r"sql/xmcoh--", path))    # put together by make

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def read_includes(self, path):
        """The included files: a path for one of ours, else the name that stands in the directive."""
        part = path.split("/")[1]
        private = {"core": ["src/core"], "pg": ["src/pg", "src/core"]}.get(part, [])
        found = []
        for name in re.findall(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', self.read(path), re.M):
            where = [os.path.normpath(os.path.join(folder, name)) for folder in [os.path.dirname(path), "include", *private]]
            found.append(next((file for file in where if file in self.files), name))
        return found

    def place_of(self, path):
        """(part, layer) of a file in src; a public header has the place of the .c file of its name."""
        steps = path.split("/")
        if steps[0] == "src":
            return steps[1], steps[2] if len(steps) > 3 else ""
        name = os.path.basename(path)[:-2]
        sources = [file for file in self.code if re.fullmatch(rf"src/core/\w+/{re.escape(name)}\.c", file)]
        return self.place_of(sources[0]) if sources else None

    def place_public_headers(self):
        """A public header without a .c file of its name belongs to the lowest layer of the core that includes it."""
        for header in [path for path in self.code if not self.place[path]]:
            users = [self.place[path] for path in self.code
                     if path.startswith("src/core/") and header in self.includes[path]]
            self.place[header] = min(users, key=lambda place: level(*place), default=("core", "train"))

    def read_calls(self):
        """{(from, to): [symbol]} between .c files. An object file stands beside its .c, those of src/cli in build/cli."""
        objects = {}
        for path in self.code:
            if path.endswith(".c"):
                name = f"build/cli/{os.path.basename(path)[:-2]}.o" if path.startswith("src/cli/") else f"{path[:-2]}.o"
                if os.path.exists(os.path.join(self.root, name)):
                    objects[name] = path
        self.without_object = [path for path in self.code if path.endswith(".c") and path not in objects.values()]
        defined, used = {}, []
        for name, kind, symbol in self.symbols(objects):
            if kind in "Uw":
                used.append((objects[name], symbol))
            else:
                defined[objects[name].split("/")[1] == "cli", symbol] = objects[name]
        calls = {}
        for path, symbol in used:
            target = defined.get((path.split("/")[1] == "cli", symbol))
            if target and target != path:
                calls.setdefault((path, target), []).append(symbol)
        return calls

    def symbols(self, objects):
        """(object, kind, symbol) as nm prints them. nm is asked once for each state of an object."""
        keys = {name: (name, os.stat(os.path.join(self.root, name)).st_mtime_ns) for name in objects}
        new = [name for name, key in keys.items() if key not in SYMBOLS]
        if new:
            listing = subprocess.run(["nm", "--print-file-name", "--extern-only", *new], cwd=self.root, check=True,
                                     capture_output=True, text=True).stdout
            SYMBOLS.update((keys[name], []) for name in new)
            for line in listing.splitlines():
                name, rest = line.split(":", 1)
                SYMBOLS[keys[name]].append((name, *rest.split()[-2:]))
        for key in keys.values():
            yield from SYMBOLS[key]

    # ---- rules: each yields a line for each violation ----

    def misplaced(self, path, target):
        """Why a file may not use another one, or None."""
        (part, layer), (other, below) = self.place[path], self.place[target]
        if part == other:
            if layer == below or level(part, below) < level(part, layer):
                return None
            return "across" if level(part, below) == level(part, layer) else "up"
        return None if (part, other) == ("pg", "core") else "up"

    def folders(self):
        for path, place in self.place.items():
            if place[0] not in LAYERS or not any(place[1] in row for row in LAYERS[place[0]]) or place == ("core", ""):
                yield f"{path} stands in no layer"

    def objects(self):
        for path in self.without_object:
            yield f"{path} has no object file: its calls are not known"

    def includes_up(self):
        for path in self.code:
            for target in self.includes[path]:
                if target in self.place and self.misplaced(path, target):
                    yield f"{path} includes {self.misplaced(path, target)}: {target}"

    def calls_up(self):
        for (path, target), symbols in self.calls.items():
            if self.misplaced(path, target):
                yield f"{path} calls {self.misplaced(path, target)}: {target} ({', '.join(symbols)})"

    def call_circles(self):
        for circle in circles(self.calls):
            yield f"{', '.join(circle)} call each other:" + "".join(
                f"\n#     {a} -> {b} ({', '.join(symbols)})"
                for (a, b), symbols in self.calls.items() if a in circle and b in circle)

    def header_circles(self):
        edges = [(path, target) for path in self.code for target in self.includes[path] if path.endswith(".h")]
        for circle in circles([edge for edge in edges if edge[1] in self.place]):
            yield f"{', '.join(circle)} include each other"

    def core_alone(self):
        for path in self.code:
            if self.place[path][0] == "core":
                for name in self.includes[path]:
                    ours = name in self.place
                    if not (ours or name[:-2] in C_HEADERS or name.startswith("unicode/")):
                        yield f"{path} includes {name}, which is no header of C or ICU"

    def core_private(self):
        public = [path for path in self.code if path.startswith("include/")]
        for path in self.code:
            if path.startswith(("src/pg/", "include/")):
                for target in self.includes[path]:
                    if target.startswith("src/core/"):
                        yield f"{path} includes a private header of the core: {target}"
        declared = set(re.findall(r"\w+", " ".join(self.read(path) for path in public)))
        for (path, target), symbols in self.calls.items():
            if self.place[path][0] == "pg" and self.place[target][0] == "core":
                for symbol in set(symbols) - declared:
                    yield f"{path} calls {symbol} ({target}), which no header in include/xmcoh declares"

    def long_functions(self):
        for path in self.files:
            lines = self.read(path).splitlines()
            for start, end in functions(lines, path):
                if end - start + 1 > LONGEST_FUNCTION:
                    yield f"{path}:{start}: a function of {end - start + 1} lines: {lines[start - 1].strip()}"

    def long_files(self):
        for path in self.files:
            count = self.read(path).count("\n")
            if count > LONGEST_FILE:
                yield f"{path} has {count} lines"

    # ---- the picture ----

    def picture(self):
        lines = ["Each row may use the rows below it; two folders side by side do not use each other."]
        lines += ["", *box("src/pg", self.rows("pg"), "the PostgreSQL side"), "      |", "      v"]
        lines += box("include/xmcoh", [[("", self.names("include/xmcoh", ".h"))]], "what src/pg takes from the core")
        lines += ["      |", "      v"]
        lines += box("src/core", self.rows("core"), "the mathematics, without PostgreSQL, input or output")
        lines += ["", *box("src/cli", self.rows("cli"), "the client, which shares nothing with the extension but SQL")]
        return "\n".join(lines) + "\n"

    def names(self, folder, ending):
        return sorted(os.path.basename(path)[:-len(ending)] for path in self.code
                      if os.path.dirname(path) == folder and path.endswith(ending))

    def rows(self, part):
        """The layers from the highest to the lowest, each row a list of (layer, names)."""
        for row in reversed(LAYERS[part]):
            cells = [(layer, self.names(f"src/{part}/{layer}".rstrip("/"), ".c")) for layer in row]
            if any(names for _, names in cells):
                yield cells


def box(title, rows, what):
    """A frame with the rows; layers that do not use each other stand side by side in one row."""
    lines = [f"+-- {title}: {what} ".ljust(WIDTH - 1, "-") + "+"]
    for cells in rows:
        width = (WIDTH - 1) // len(cells)
        columns = [[f" {layer if k == 0 else '':<13}{text}"
                    for k, text in enumerate(textwrap.wrap(" ".join(names), width - 16))] for layer, names in cells]
        for k in range(max(map(len, columns))):
            parts = [(column[k] if k < len(column) else "").ljust(width - 1) for column in columns]
            lines.append(("|" + "|".join(parts)).ljust(WIDTH - 1) + "|")
    return lines + ["+" + "-" * (WIDTH - 2) + "+"]


def circles(edges):
    """The strongly connected components of a graph that have more than one node (Tarjan)."""
    graph = {}
    for a, b in edges:
        graph.setdefault(a, []).append(b)
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in number:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], number[target])
        if low[node] == number[node]:
            members = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def functions(lines, path):
    """(first line, last line) of each function: from the braces in the first column, or from Python's indents."""
    if path.endswith(".py"):
        for k, line in enumerate(lines):
            if re.match(r" *def ", line):
                indent = len(line) - len(line.lstrip())
                end = next((n for n in range(k + 1, len(lines))
                            if lines[n].strip() and len(lines[n]) - len(lines[n].lstrip()) <= indent), len(lines))
                yield k + 1, end
    elif path.endswith((".c", ".h")):
        start = None
        for k, line in enumerate(lines):
            data = k > 0 and re.match(r"(typedef|struct|union|enum|static const)\b.*[^)]$", lines[k - 1])
            if line.rstrip() == "{" and k > 0 and not data:
                start = k
                while start > 0 and not re.match(r"(\s*$|[#}/]|.*[;{]$|.*\*/$)", lines[start - 1]):
                    start -= 1
            elif line.startswith("}") and start is not None:
                yield start + 1, k + 1
                start = None
    elif path.endswith((".pl", ".pm", ".sh")):
        start = None
        for k, line in enumerate(lines):
            if re.match(r"\w+\(\)$" if path.endswith(".sh") else r"sub \w+", line) and not line.rstrip().endswith("}"):
                start = k
            elif line.startswith("}") and start is not None:
                yield start + 1, k + 1
                start = None


RULES = {
    House.folders: "every file stands in a layer",
    House.objects: "every .c file was compiled",
    House.includes_up: "no file includes up or across",
    House.calls_up: "no file calls up or across",
    House.call_circles: "no two files call each other in a circle",
    House.header_circles: "no two headers include each other in a circle",
    House.core_alone: "the core includes the headers of C and ICU alone",
    House.core_private: "src/pg takes from the core only what include/xmcoh declares",
    House.long_functions: f"no function has more than {LONGEST_FUNCTION} lines",
    House.long_files: f"no file has more than {LONGEST_FILE} lines",
}


def planted(name):
    """A .c file with an include that this script sees and the compiler does not."""
    return "#if 0\n#include " + name + "\n#endif\nint planted;\n"


CALLS_HIGH = "int planted_high(void);\nint planted(void) { return planted_high(); }\n"
HIGH = "int planted_high(void) { return 1; }\n"
# (rule, what the planted files do, these files, what the rule says of them)
PLANTED = [
    (House.folders, "a file in an unknown folder", {"src/pg/other/planted.c": "int planted;\n"}, "stands in no layer"),
    (House.objects, "a file that is not compiled", {"src/core/base/planted.c": None}, "has no object file"),
    (House.includes_up, "the core includes up", {
        "src/core/base/planted.c": planted('"train/planted.h"'), "src/core/train/planted.h": "\n"},
     "includes up: src/core/train"),
    (House.includes_up, "the core includes across", {
        "src/core/numeric/planted.c": planted('"document/planted.h"'), "src/core/document/planted.h": "\n"},
     "includes across: src/core/document"),
    (House.includes_up, "a public header includes up", {
        "include/xmcoh/planted_low.h": '#include "xmcoh/planted_high.h"\n', "include/xmcoh/planted_high.h": "\n",
        "src/core/base/planted_low.c": "int planted_low;\n", "src/core/train/planted_high.c": "int planted_high;\n"},
     "includes up"),
    (House.includes_up, "src/pg includes up", {
        "src/pg/base/planted.c": planted('"schedule/planted.h"'), "src/pg/schedule/planted.h": "\n"},
     "includes up: src/pg/schedule"),
    (House.includes_up, "src/pg includes across", {
        "src/pg/source/planted.c": planted('"model/planted.h"'), "src/pg/model/planted.h": "\n"},
     "includes across: src/pg/model"),
    (House.includes_up, "the client includes a header of the core", {
        "src/cli/planted.c": planted('"xmcoh/planted.h"'), "include/xmcoh/planted.h": "\n"}, "includes up: include/xmcoh"),
    (House.calls_up, "the core calls up", {
        "src/core/base/planted.c": CALLS_HIGH, "src/core/train/planted_high.c": HIGH}, "calls up: src/core/train"),
    (House.calls_up, "the core reads a variable across", {
        "src/core/document/planted.c": "extern int planted_high;\nint *planted(void) { return &planted_high; }\n",
        "src/core/numeric/planted_high.c": "int planted_high;\n"}, "calls across: src/core/numeric"),
    (House.calls_up, "the core calls src/pg", {
        "src/core/train/planted.c": CALLS_HIGH, "src/pg/base/planted_high.c": HIGH}, "calls up: src/pg/base"),
    (House.calls_up, "src/pg calls up", {
        "src/pg/query/planted.c": CALLS_HIGH, "src/pg/training/planted_high.c": HIGH}, "calls up: src/pg/training"),
    (House.calls_up, "src/pg calls across", {
        "src/pg/model/planted.c": CALLS_HIGH, "src/pg/source/planted_high.c": HIGH}, "calls across: src/pg/source"),
    (House.calls_up, "a layer of src/pg calls the module's entry", {
        "src/pg/schedule/planted.c": CALLS_HIGH, "src/pg/planted_high.c": HIGH}, "calls up: src/pg/planted_high.c"),
    (House.call_circles, "three files call each other in a circle", {
        "src/pg/query/planted_a.c": "int planted_b(void);\nint planted_a(void) { return planted_b(); }\n",
        "src/pg/query/planted_b.c": "int planted_c(void);\nint planted_b(void) { return planted_c(); }\n",
        "src/pg/query/planted_c.c": "int planted_a(void);\nint planted_c(void) { return planted_a(); }\n"},
     "call each other"),
    (House.header_circles, "two headers include each other", {
        "src/pg/query/planted_a.h": '#include "query/planted_b.h"\n', "src/pg/query/planted_b.h": '#include "planted_a.h"\n'},
     "include each other"),
    (House.core_alone, "the core includes postgres.h", {"src/core/base/planted.c": planted('"postgres.h"')}, "postgres.h"),
    (House.core_private, "src/pg includes a private header of the core", {
        "src/pg/query/planted.c": planted('"numeric/planted.h"'), "src/core/numeric/planted.h": "\n"},
     "includes a private header"),
    (House.core_private, "include/xmcoh includes a private header of the core", {
        "include/xmcoh/planted.h": planted('"../../src/core/numeric/planted.h"'), "src/core/numeric/planted.h": "\n"},
     "includes a private header"),
    (House.core_private, "src/pg calls a private function of the core", {
        "src/pg/query/planted.c": CALLS_HIGH, "src/core/base/planted_high.c": HIGH},
     "which no header in include/xmcoh declares"),
    (House.long_functions, "a long function", {
        "src/core/base/planted.c": "int\nplanted(int a,\n\t\tint b)\n{\n" + "\n" * LONGEST_FUNCTION + "\treturn a;\n}\n"},
     "planted.c:1: a function of 86 lines: int"),
    (House.long_functions, "a long function of a test", {
        "test/tap/planted.pl": "sub planted\n{\n" + "\n" * LONGEST_FUNCTION + "}\n"}, "a function of 83 lines: sub planted"),
    (House.long_files, "a long file", {"test/sql/planted.sql": "\n" * (LONGEST_FILE + 1)}, "planted.sql has 801 lines"),
]


def finds_planted(root, rule, files, wanted):
    """Plants the files into the copy, with objects for those that can be compiled; whether the rule then finds them."""
    made = []
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text or "")
        made.append(full)
        if path.endswith(".c") and text is not None:
            target = os.path.join(root, "build/cli") + "/planted.o" if path.startswith("src/cli/") else full[:-2] + ".o"
            subprocess.run(["cc", "-w", "-c", full, "-o", target], check=True)
            made.append(target)
    lines = list(rule(House(root)))
    for full in made:
        os.remove(full)
    return any(wanted in line and "planted" in line for line in lines)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, holds, what, lines=()):
        self.count += 1
        self.failed += not holds
        print(f"{'ok' if holds else 'not ok'} {self.count} - {what}")
        for line in lines:
            print(f"#   {line}")


def shown_picture(house):
    """The text of doc/design.md before, in and after the block with the picture; None: there is no such block."""
    found = re.fullmatch(rf"(.*{re.escape(PICTURE_MARK)}\n```text\n)(.*?)(```\n.*)", house.read("doc/design.md"), re.S)
    return found.groups() if found else None


def main():
    house = House(".")
    picture = house.picture()
    shown = shown_picture(house)
    print(picture)
    if "--write" in sys.argv[1:]:
        if not shown:
            sys.exit(f"doc/design.md has no line {PICTURE_MARK} with a block ```text below it")
        with open("doc/design.md", "w", encoding="utf-8") as file:
            file.write(shown[0] + picture + shown[2])
        return
    tap = Tap()
    for rule, what in RULES.items():
        lines = list(rule(house))
        tap.ok(not lines, what, lines)
    tap.ok(shown and shown[1] == picture, "doc/design.md shows these layers",
           [] if shown and shown[1] == picture else ["`make house-picture` writes them there"])
    with tempfile.TemporaryDirectory() as root:
        for folder in ("src", "include", "test"):
            shutil.copytree(folder, os.path.join(root, folder), symlinks=True)
        os.makedirs(os.path.join(root, "build"))
        shutil.copytree("build/cli", os.path.join(root, "build/cli"))
        for rule, what, files, wanted in PLANTED:
            tap.ok(finds_planted(root, rule, files, wanted), f"found when planted: {what}")
    print(f"1..{tap.count}")
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
