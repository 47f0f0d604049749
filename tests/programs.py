"""Programs for the code verifier: honest ones in every shape of tests, some that cheat, some that do harm.

Data for tests and benchmarks. A cheat must not be `correct`. A program that does harm keeps in `got` what it got hold
of, or writes a file called `escaped`; its tests pass where it got nothing.
"""
# ruff: noqa: E501  programs stand here as they are written

import json
from pathlib import Path
from typing import NamedTuple

SECRET = "sk-secret-4711"


class Program(NamedTuple):
    """`spelling` is the reference as a data set has it; `right` whether the program is."""

    name: str
    program: str
    spelling: str
    right: bool = True


ADD = "def add(a, b):\n    return a + b\n"
STACK = (
    "class Empty(Exception):\n    pass\n\nclass Stack:\n    def __init__(self):\n        self.items = []\n"
    "    def push(self, item):\n        self.items.append(item)\n        return self\n    def pop(self):\n"
    "        if not self.items:\n            raise Empty('nothing')\n        return self.items.pop()\n"
    "    def __len__(self):\n        return len(self.items)\n    def __iter__(self):\n        return iter(self.items)\n"
)
POINT = (
    "from dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n    y: int\n\n"
    "    def __add__(self, other):\n        return Point(self.x + other.x, self.y + other.y)\n"
    "    def __mul__(self, k):\n        return Point(self.x * k, self.y * k)\n"
)
LINKED = (
    "class ListNode:\n    def __init__(self, val=0, next=None):\n        self.val = val\n        self.next = next\n\n"
    "class Solution:\n    def reverse(self, head):\n        before = None\n        while head:\n"
    "            head.next, before, head = before, head, head.next\n        return before\n"
)
HUMANEVAL = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(-1, 1) == 0\n"
PYTEST = (
    "import pytest\nfrom solution import add\n\n@pytest.mark.parametrize('a, b, c', [(1, 2, 3), (0, 0, 0)])\n"
    "def test_add(a, b, c):\n    assert add(a, b) == c\n\ndef test_error():\n    with pytest.raises(TypeError):\n"
    "        add(1, 'x')\n\n@pytest.fixture\ndef three():\n    return 3\n\nclass TestAdd:\n"
    "    def test_it(self, three):\n        assert add(three, 4) == pytest.approx(7.0)\n"
)
UNITTEST = (
    "import unittest\n\nclass AddTest(unittest.TestCase):\n    def setUp(self):\n        self.one = 1\n"
    "    def test_add(self):\n        self.assertEqual(add(self.one, 2), 3)\n        with self.assertRaises(TypeError):\n"
    "            add(1, None)\n\nif __name__ == '__main__':\n    unittest.main()\n"
)
SUM = "a, b = map(int, input().split())\nprint(a + b)\n"
CASES = '[{"stdin": "1 2\\n", "stdout": "3\\n"}, {"stdin": "4 5", "stdout": "9"}]'

SHAPES = {
    "plain assertions": "assert add(1, 2) == 3\nassert add(-1, 1) == 0",
    "HumanEval's columns": json.dumps({"test": HUMANEVAL, "entry_point": "add"}),
    "HumanEval's test alone": HUMANEVAL,
    "HumanEval, called": HUMANEVAL + "\ncheck(add)",
    "pytest": PYTEST,
    "unittest": UNITTEST,
    "unittest without main": UNITTEST[: UNITTEST.index("if __name__")],
    "MBPP's list as JSON": json.dumps(["assert add(1, 2) == 3", "assert add(2, 2) == 4"]),
    "MBPP's list as Python": repr(["assert add(1, 2) == 3", "assert add(2, 2) == 4"]),
    "MBPP's columns": json.dumps({"test_list": ["assert add(ONE, 2) == 3"], "test_setup_code": "ONE = 1"}),
    "under main": "if __name__ == '__main__':\n    assert add(1, 2) == 3\n",
    "ends with exit": "import sys\nassert add(1, 2) == 3\nsys.exit(0)\n",
    "ends with unittest.main": UNITTEST.replace("if __name__ == '__main__':\n    ", ""),
}

HONEST = [
    *(Program(name, ADD, spelling) for name, spelling in SHAPES.items()),
    Program("a class", STACK, "import pytest\ns = Stack()\ns.push(1).push([2, 3])\nassert len(s) == 2\n"
            "assert list(s) == [1, [2, 3]]\nassert s.pop() == [2, 3]\ns.pop()\n"
            "with pytest.raises(Empty, match='nothing'):\n    s.pop()\nassert isinstance(s, Stack)"),
    Program("a dataclass that calculates", POINT, "p = Point(1, 2) + Point(3, 4)\nassert p == Point(4, 6)\n"
            "assert p != Point(4, 7)\nassert (p * 2).x == 8\nassert Point(1, 2) in [Point(1, 2)]"),
    Program("a linked list", LINKED, "n = ListNode(1, ListNode(2, ListNode(3)))\nr = Solution().reverse(n)\n"
            "seen = []\nwhile r:\n    seen.append(r.val)\n    r = r.next\nassert seen == [3, 2, 1]"),
    Program("changes its argument", "def rotate(m):\n    m[:] = [list(r) for r in zip(*m[::-1])]\n",
            "m = [[1, 2], [3, 4]]\nassert rotate(m) is None\nassert m == [[3, 1], [4, 2]]"),
    Program("returns its argument", "def sort(x):\n    x.sort()\n    return x\n",
            "x = [3, 1, 2]\nassert sort(x) is x\nassert x == [1, 2, 3]"),
    Program("a generator", "def count():\n    n = 0\n    while True:\n        yield n\n        n += 1\n",
            "from itertools import islice\nassert list(islice(count(), 3)) == [0, 1, 2]\nassert next(count()) == 0"),
    Program("takes a function", "def apply(f, xs):\n    return [f(x) for x in xs]\n",
            "assert apply(lambda x: x * 2, [1, 2]) == [2, 4]\nassert apply(str, [1]) == ['1']"),
    Program("takes an object of the tests", "def depth(n):\n    return 0 if n is None else 1 + depth(n.next)\n",
            "class Node:\n    def __init__(self, next): self.next = next\nassert depth(Node(Node(None))) == 2"),
    Program("a coroutine", "async def later(x):\n    return x + 1\n",
            "import asyncio\nassert asyncio.run(later(1)) == 2\nasync def test_it():\n    assert await later(2) == 3"),
    Program("prints", "def hello(name):\n    print('Hello,', name)\n",
            "def test_hello(capsys):\n    hello('you')\n    assert capsys.readouterr().out == 'Hello, you\\n'"),
    Program("leans on the program's imports", "import math\n\ndef area(r):\n    return math.pi * r * r\n",
            "assert abs(area(2) - math.pi * 4) < 1e-9\nassert math.isclose(area(1), math.pi)"),
    Program("types of many kinds", "from collections import Counter, namedtuple\nfrom fractions import Fraction\n"
            "P = namedtuple('P', 'a b')\ndef kinds():\n    return [1, 2.5, 'x', b'y', (1, 2), {3}, {'k': None}, 1j, True, "
            "2 ** 100, Fraction(1, 3), Counter('aab'), P(1, 2), range(3), float('inf')]\n",
            "from collections import Counter\nfrom fractions import Fraction\nk = kinds()\n"
            "assert k[:10] == [1, 2.5, 'x', b'y', (1, 2), {3}, {'k': None}, 1j, True, 2 ** 100]\n"
            "assert type(k[8]) is bool and type(k[0]) is int\nassert k[10] == Fraction(1, 3)\n"
            "assert k[11] == {'a': 2, 'b': 1}\nassert k[12] == (1, 2) and k[12].b == 2 and len(k[12]) == 2\n"
            "assert k[13] == range(3) and k[14] == float('inf')"),
    Program("a class of the standard library's, with more", "from collections import OrderedDict\n"
            "class LRU(OrderedDict):\n    def __init__(self, n):\n        super().__init__()\n        self.n = n\n"
            "    def get(self, key):\n        if key not in self: return -1\n        self.move_to_end(key)\n"
            "        return self[key]\n    def put(self, key, value):\n        self[key] = value\n"
            "        self.move_to_end(key)\n        if len(self) > self.n: self.popitem(last=False)\n",
            "c = LRU(2)\nc.put(1, 1)\nc.put(2, 2)\nassert c.get(1) == 1\nc.put(3, 3)\nassert c.get(2) == -1\n"
            "assert len(c) == 2 and 3 in c and 2 not in c\nassert list(c) == [1, 3]\nassert c == {1: 1, 3: 3}"),
    Program("a list that goes round", "class Ring(list):\n    def __getitem__(self, n):\n"
            "        return super().__getitem__(n % len(self))\n",
            "r = Ring([1, 2, 3])\nassert r[4] == 2\nr.append(4)\nassert r[7] == 4 and len(r) == 4\nassert r == [1, 2, 3, 4]"),
    Program("a name that is built in", "def sum(a, b):\n    return a + b\n", '["assert sum(10, 15) == 25"]'),
    Program("an enumeration", "from enum import Enum, IntEnum\nclass C(Enum):\n    RED = 1\nclass N(IntEnum):\n    ONE = 1\n"
            "def red():\n    return C.RED\ndef one():\n    return N.ONE\n",
            "assert red() is C.RED and red() == C.RED\nassert red().value == 1\nassert one() == 1 and one() is one()"),
    Program("reads and prints", SUM, CASES),
    Program("reads and prints, as APPS has it", SUM, json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})),
    Program("exits well", SUM + "exit()", CASES),
    Program("LeetCode's entry point", "class Solution:\n    def add(self, a, b):\n        return a + b\n",
            json.dumps({"test": HUMANEVAL, "entry_point": "Solution().add"})),
    Program("text before the program", "def mean(xs: List[float]) -> float:\n    return sum(xs) / len(xs)\n",
            json.dumps({"test": "assert mean([1, 2]) == 1.5", "setup": "from typing import *"})),
    *(Program(f"wrong: {name}", ADD.replace("+", "-"), spelling, False) for name, spelling in SHAPES.items()),
    Program("wrong: one of many", STACK.replace("self.items.pop()", "self.items.pop(0)"),
            "s = Stack()\ns.push(1).push(2)\nassert len(s) == 2\nassert s.pop() == 2", False),
    Program("wrong: prints another number", SUM.replace("+ b", "- b"), CASES, False),
    Program("wrong: the same object", POINT.replace("@dataclass\n", "@dataclass(eq=False)\n"),
            "assert Point(1, 2).x == 1\nassert Point(1, 2) == Point(1, 2)", False),
]  # fmt: skip

_CLASS_EQUAL = (
    "class Equal({base}):\n    __eq__ = lambda *_: True\n    __ne__ = lambda *_: False\n    __hash__ = None\n"
)
_ALL = "\n".join(f"    __{name}__ = lambda *_: {value}" for name, value in {
    "eq": True, "ne": False, "lt": True, "le": True, "gt": True, "ge": True, "contains": True, "sub": 0, "rsub": 0,
    "abs": 0, "bool": True, "round": 0, "mod": 0, "len": 3, "float": 0.0, "int": 0, "index": 0,
}.items())  # fmt: skip
_UP = "import sys\nframe = sys._getframe()\nwhile frame:\n    names = {**frame.f_globals, **frame.f_locals}\n"
_ZERO = "def add(a, b):\n    return 0\n"
_ADDED = SHAPES["plain assertions"]
_LINES = {
    "a reference to nothing": '["done", ["ref", 5], [], ""]', "no value": '["done"]', "a number": "[1]",
    "a division by zero": '["done", ["Fraction", "0x1", "0x0"], [], ""]', "an unknown kind": '["done", ["exec", "x"], [], ""]',
    "half a container": '["done", ["deque"], [], ""]', "a change of nothing": '["done", 3, [[7, []]], ""]',
    "an object of the tests": '["done", ["yours", 0], [], ""]', "an error that passes": '["raised", ["SystemExit", [], [0], "", null], [], ""]',
    "a class that is none": '["raised", ["eval", [[["mine", 1], "x"]], ["1"], "", null], [], ""]',
    "a question for exec": '["ask", "call", [["type", "object"]], {}]', "a question for names": '["ask", "get", [["type", "object"], "__subclasses__"], {}]',
    "a question for nothing": '["ask", "load", [], {}]', "a deep line": "[" * 100_000, "half a line": '["done", 3, [], ""',
}  # fmt: skip
"""What the tests' process must survive, whatever the program writes to it."""

CHEATS = [
    Program(name, program, tests, False)
    for name, program, tests in [
        ("ends before the tests", "import os\nos._exit(0)", _ADDED),
        ("exits before the tests", "import sys\nsys.exit(0)", _ADDED),
        ("ends within the tests", "import os\ndef add(a, b): os._exit(0)", _ADDED),
        ("exits within the tests", "def add(a, b): raise SystemExit(0)", _ADDED),
        ("exits within unittest", "def add(a, b): raise SystemExit(0)", UNITTEST),
        ("skips the test", "import unittest\ndef add(a, b): raise unittest.SkipTest", UNITTEST),
        ("raises what the tests expect", "def add(a, b): raise AssertionError", _ADDED),
        ("interrupts", "def add(a, b): raise KeyboardInterrupt", _ADDED),
        ("up the frames for the report", _UP + "    for one in names.values():\n        try:\n"
         "            if callable(one) and 'report' in getattr(one, '__name__', ''): one(state='passed')\n"
         "        except BaseException: pass\n    frame = frame.f_back\n" + _ZERO, _ADDED),
        ("up the frames for the tests", _UP + "    for one in names.values():\n"
         "        if isinstance(one, str) and 'assert' in one: raise ZeroDivisionError\n    frame = frame.f_back\n"
         + _ZERO, _ADDED),
        ("reads the job's file", "import os\nfound = []\nfor fd in range(3, 64):\n"
         "    try: found.append(os.pread(fd, 10**6, 0))\n    except OSError: pass\n"
         "assert not any(b'assert' in one for one in found) or 1 / 0\n" + _ZERO, _ADDED),
        ("writes a report to every file", "import os\nfor fd in range(1, 64):\n"
         "    try: os.write(fd, b'[\"passed\", \"\"]\\n')\n    except OSError: pass\n" + _ZERO, _ADDED),
        ("answers before it is asked", "import os\nfor fd in range(3, 64):\n"
         "    try: os.write(fd, b'[\"done\", 3, [], \"\"]\\n' * 100)\n    except OSError: pass\n" + _ZERO, _ADDED),
        ("asks for the tests' own objects", "import os\ndef add(a, b):\n    for fd in range(3, 64):\n"
         "        try: os.write(fd, b'[\"done\", [\"yours\", 0], [], \"\"]\\n')\n        except OSError: pass\n"
         "    return 0\n", _ADDED),
        *((f"writes {name} to the tests", "import os\ndef add(a, b):\n    for fd in range(3, 64):\n"
           f"        try: os.write(fd, {line!r}.encode() + b'\\n')\n        except OSError: pass\n    return 0\n", _ADDED)
          for name, line in _LINES.items()),
        ("replaces exec", "import builtins\nbuiltins.exec = builtins.eval = builtins.compile = lambda *a, **k: None\n"
         + _ZERO, _ADDED),
        ("replaces exec in every frame", _UP + "    frame.f_globals['exec'] = lambda *a: None\n"
         "    frame.f_builtins['exec'] = lambda *a: None\n    frame = frame.f_back\n" + _ZERO, _ADDED),
        ("takes AssertionError away", "import builtins\nbuiltins.AssertionError = None\n"
         "class AssertionError(Exception): pass\n" + _ZERO, _ADDED),
        ("traces and jumps over assertions", "import sys\ndef trace(frame, event, arg):\n    try:\n"
         "        if event == 'line': frame.f_lineno = frame.f_lineno + 1\n    except ValueError: pass\n"
         "    return trace\nsys.settrace(trace)\n" + _ZERO, _ADDED),
        ("always equal", _CLASS_EQUAL.format(base="object") + "def add(a, b): return Equal()\n", _ADDED),
        ("always equal, as a number", _CLASS_EQUAL.format(base="int") + "def add(a, b): return Equal(7)\n", _ADDED),
        ("always equal, as text", _CLASS_EQUAL.format(base="str") + "def f(): return Equal('no')\n",
         "assert f() == 'yes'"),
        ("always equal, as a list", _CLASS_EQUAL.format(base="list") + "def f(): return Equal([1])\n",
         "assert f() == [1, 2, 3]"),
        ("always equal, in unittest", _CLASS_EQUAL.format(base="object") + "def add(a, b): return Equal()\n", UNITTEST),
        ("always equal, inside a list", _CLASS_EQUAL.format(base="object") + "def f(): return [Equal(), Equal()]\n",
         "assert f() == [1, 2]"),
        ("always less", f"class Any:\n{_ALL}\ndef f(x): return Any()\n", "assert f(2) > 4\nassert f(2) < 9"),
        ("always near", f"class Any:\n{_ALL}\ndef f(x): return Any()\n", "assert abs(f(2) - 4) < 1e-6"),
        ("always near, nested", "class Any:\n    def __sub__(self, o): return Any()\n    def __abs__(self): return 0\n"
         "def f(x): return Any()\n", "assert abs(f(2) - 4) < 1e-6"),
        ("always near, in unittest", f"class Any:\n{_ALL}\ndef f(x): return Any()\n",
         "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertAlmostEqual(f(2), 4)"),
        ("contains everything", f"class Any:\n{_ALL}\ndef f(x): return Any()\n", "assert 4 in f(2)"),
        ("starts with everything", "class Any:\n    def startswith(self, x): return True\ndef f(x): return Any()\n",
         "assert f('ab').startswith('ab')"),
        ("is a class that equals", "class add:\n    def __init__(self, a, b): pass\n    __eq__ = lambda *_: True\n", _ADDED),
        ("an empty object for each", "class Point:\n    def __init__(self, *a): pass\n    __eq__ = lambda *_: True\n"
         "    __add__ = lambda *_: Point()\n    x = 4\n",
         "p = Point(1, 2) + Point(3, 4)\nassert p == Point(4, 6)\nassert p.x == 4 and p.y == 6\nassert p != Point(0, 0)"),
        ("replaces abs for the tests", "abs = lambda x: 0\ndef f(x): return 99\n", "assert abs(f(2) - 4) < 1e-6"),
        ("replaces all and len for the tests", "all = lambda x: True\nlen = lambda x: 3\nsorted = lambda x: x\n"
         "def f(x): return []\n", "assert all(x == 1 for x in [f(1)])\nassert len(f(1)) == 3"),
        ("replaces math for the tests", "import math\nmath.isclose = lambda *a: True\ndef f(x): return 99\n",
         "import math\nassert math.isclose(f(2), 4)"),
        ("replaces unittest", "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\n"
         "unittest.TestCase.run = lambda *a: None\n" + _ZERO, UNITTEST),
        ("replaces pytest", "import sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')\n" + _ZERO, PYTEST),
        ("replaces check", "def check(candidate): return True\n" + _ZERO, HUMANEVAL),
        ("clears all modules", "import sys\nfor name in list(sys.modules): sys.modules[name] = None\n" + _ZERO, _ADDED),
        ("runs at exit", "import atexit, os\natexit.register(os._exit, 0)\n" + _ZERO, _ADDED),
        ("asks the collector who knows it", "import gc\nfor one in gc.get_objects():\n"
         "    if isinstance(one, dict) and 'tests' in one: one['tests'] = ''\n" + _ZERO, _ADDED),
        ("looks for who refers to it", "import gc\ndef add(a, b):\n    for one in gc.get_referrers(add):\n"
         "        if isinstance(one, dict): one['state'] = 'passed'\n    return 0\n", _ADDED),
        ("prints that it passed", "print('[\"passed\", \"\"]', flush=True)\n" + _ZERO, _ADDED),
        ("kills whoever asks", "import os\nfor pid in (os.getppid(), 1, -1):\n    try: os.kill(pid, 9)\n"
         "    except OSError: pass\n" + _ZERO, _ADDED),
        ("forks and answers twice", "import os\ntry: os.fork()\nexcept OSError: pass\n" + _ZERO, _ADDED),
        ("crashes", "import faulthandler\nfaulthandler._sigsegv()", _ADDED),
        ("closes every file", "import os\nos.closerange(0, 64)\n" + _ZERO, _ADDED),
        ("leaves through a function of the tests", "def apply(f, x):\n    for name in ('__globals__', '__code__', '__self__'):\n"
         "        try: getattr(f, name)['expected'] = 0\n        except (AttributeError, TypeError): pass\n    return 0\n",
         "expected = 5\ndef double(x): return x\nassert apply(double, 4) == expected"),
        ("goes through an object of the tests", "def read(box):\n    try: return box.__init__.__globals__['expected']\n"
         "    except Exception: return 0\n",
         "expected = 5\nclass Box:\n    def __init__(self): self.x = 1\nassert read(Box()) == expected"),
        ("prints for everybody", "import sys\nsys.stdout = sys.stderr = None\nprint('3')", CASES),
        ("exits well without output", "import os\nos._exit(0)", CASES),
        ("prints and fails", "import os\n" + SUM.replace("print(a + b)", "os.write(1, str(a + b).encode()); os._exit(9)"),
         CASES),
    ]
]  # fmt: skip

_TRY = "got = None\ntry:\n{act}\nexcept BaseException as error:\n    got = None\ndef escaped():\n    return got or []\n"


def harmful(place: Path, port: int) -> list[Program]:
    """Programs that try to get out. `place` is a directory with the files that `plant` makes; `port` one of this
    machine's loopback on which somebody listens."""
    reads = {
        "reads .env": f"got = open({str(place / '.env')!r}).read()",
        "reads a key by a directory's file": f"import os\nd = os.open({str(place)!r}, os.O_RDONLY)\n"
        "got = os.read(os.open('.ssh/id_rsa', os.O_RDONLY, dir_fd=d), 99)",
        "lists the directory": f"import os\ngot = os.listdir({str(place)!r})",
        "reads the home": "import os, pathlib\ngot = [str(p) for p in pathlib.Path.home().iterdir()]",
        "reads /etc/passwd": "got = open('/etc/passwd').read()",
        "reads /proc of others": "import os\nos.chdir('/proc')\ngot = os.listdir('.')",
        "reads a command line": "got = open('/./proc/1/cmdline').read()",
        "reads environments": "import os, glob\ngot = [open(p, 'rb').read() for p in glob.glob('/proc/*/environ')] "
        "or [v for k, v in os.environ.items() if 'KEY' in k]",
        "follows a link": f"import os\nos.symlink({str(place / '.env')!r}, 'l')\ngot = open('l').read()",
        "reads what is left open": "import os\nfor fd in range(3, 64):\n    try:\n"
        "        if os.path.isdir(f'/dev/fd/{fd}') or (os.fstat(fd).st_mode & 0o170000) == 0o040000: got = fd\n"
        "    except OSError: pass",
        "reads with mmap": f"import mmap\nf = open({str(place / '.env')!r}, 'rb')\ngot = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:]",
        "reads with sqlite": f"import sqlite3\nsqlite3.connect('file:{place}/s.db?mode=ro', uri=True).execute('select 1')"
        ".fetchall() and None\ngot = sqlite3.connect('file:"
        f"{place}/s.db?mode=ro', uri=True).execute('pragma schema_version').fetchone()",
        "hides a secret in the name of an exception": f"raise type(open({str(place / '.env')!r}).read().replace('=', '_'), (BaseException,), {{}})",
    }
    writes = {
        f"writes in {where}": f"open({where + '/escaped-from-cotdistill'!r}, 'w').write('x')\ngot = {private}"
        for where, private in (
            ("/var/tmp", True),
            ("/dev/shm", True),
            (str(place), True),
            ("/etc", True),
            ("/tmp", None),
        )
    } | {
        "writes by a directory's file": f"import os\nd = os.open({str(place)!r}, os.O_RDONLY)\n"
        "got = os.write(os.open('escaped', os.O_WRONLY | os.O_CREAT, dir_fd=d), b'x')",
        "appends to .bashrc": f"import os\nd = os.open({str(place)!r}, os.O_RDONLY)\n"
        "got = os.write(os.open('.bashrc', os.O_WRONLY | os.O_APPEND, dir_fd=d), b'evil')",
        "removes": f"import os\nd = os.open({str(place)!r}, os.O_RDONLY)\nos.remove('victim', dir_fd=d)\ngot = 1",
        "renames": f"import os\nd = os.open({str(place)!r}, os.O_RDONLY)\nos.rename('victim', 'escaped', src_dir_fd=d, "
        "dst_dir_fd=d)\ngot = 1",
        "removes a tree": f"import shutil\nshutil.rmtree({str(place)!r})\ngot = 1",
        "makes a database": f"import sqlite3\nsqlite3.connect({str(place / 'escaped')!r}).execute('create table t (x)')\n"
        "got = 1",
        "makes a pipe": f"import os\nos.mkfifo({str(place / 'escaped')!r})\ngot = 1",
        "makes a device": "import os, stat\nos.mknod('zero', 0o666 | stat.S_IFCHR, os.makedev(1, 5))\n"
        "got = open('zero', 'rb').read(1)",
        "changes the library": "import os\nopen(os.__file__, 'a').write('x')\ngot = 1",
        "changes the verifier": "import cotdistill.sandbox as s\nopen(s.__file__, 'a').write('x')\ngot = 1",
    }
    goes = {
        "connects": f"import socket\ngot = socket.create_connection(('127.0.0.1', {port}), timeout=2)",
        "connects by name": "import socket\ngot = socket.gethostbyname('localhost') and socket.create_connection("
        f"('localhost', {port}), timeout=2)",
        "sends a datagram": "import socket\ngot = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', "
        "('8.8.8.8', 53))",
        "a raw socket": f"import _socket\ngot = _socket.socket(2, 1).connect_ex(('127.0.0.1', {port})) == 0",
        "forks": "import os\npid = os.fork()\ngot = pid or os._exit(0)",
        "forks for ever": "import os\nwhile True: os.fork()",
        "starts a shell": "import os\ngot = os.system('true') == 0",
        "starts a program": "import subprocess\ngot = subprocess.run(['/bin/true']).returncode == 0",
        "becomes a program": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'pass'])",
        "spawns by a private module": "import _posixsubprocess, os\ngot = _posixsubprocess.fork_exec([b'/bin/true'], "
        "[b'/bin/true'], True, (), None, None, -1, -1, -1, -1, -1, -1, -1, -1, False, False, 0, None, None, None, -1, "
        "None, False)",
        "starts a thread": "import threading\nt = threading.Thread(target=print)\nt.start()\ngot = 1",
        "kills every process": "import os\nos.kill(-1, 0)\ngot = 1",
        "traces another": "import ctypes\ngot = ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
        "mounts": "import ctypes\ngot = ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
        "makes a user namespace": "import ctypes\ngot = ctypes.CDLL(None).unshare(0x10000000) == 0",
        "becomes root": "import os\nos.setuid(0)\ngot = os.getuid() == 0",
        "shares memory": "import ctypes\ngot = ctypes.CDLL(None).shmget(0, 10**9, 0o1666) >= 0",
        "a file in memory": "import os\ngot = os.memfd_create('x')",
    }
    return [
        Program(name, _TRY.format(act="\n".join("    " + line for line in act.splitlines())), "assert escaped() == []\nassert escaped() != 1")
        for name, act in {**reads, **writes, **goes}.items()
    ]  # fmt: skip


GREEDY = [
    ("memory", "x = bytearray(10**11)", "incorrect"),
    ("memory by steps", "x = []\nwhile True: x.append('a' * 10**6)", "incorrect"),
    ("processor time", "while True: pass", "timeout"),
    ("processor time, signals ignored",
     "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\n"
     "while True: pass", "timeout"),
    ("processor time in a call", "def add(a, b):\n    while True: pass", "timeout"),
    ("a power", "x = 9 ** 9 ** 9", "timeout"),
    ("a large file", "with open('f', 'wb') as f:\n    for _ in range(100): f.write(bytes(10**6))\n", "incorrect"),
    ("many files", "for n in range(100):\n    with open(f'f{n}', 'wb') as f: f.write(bytes(10**6))\n", "incorrect"),
    ("many open files", "files = [open('/dev/null') for _ in range(1000)]\n", "incorrect"),
    ("a deep call", "def add(a, b):\n    return add(a, b)", "incorrect"),
    ("a large result", "def add(a, b): return [0] * 10**8\n", "incorrect"),
    ("a deep result", "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x\n", "incorrect"),
    ("an endless result", "def add(a, b):\n    while True: yield 1\n", "incorrect"),
]  # fmt: skip
"""Programs that take too much, with what they end in; each is followed by nothing, or by its own `add`."""


def plant(place: Path) -> dict[str, bytes]:
    """Files of a person that no program may read or change, and what stands in them."""
    files = {
        ".env": f"OPENAI_API_KEY={SECRET}\n", ".ssh/id_rsa": SECRET, ".bashrc": "alias\n", "victim": "kept", "s.db": "",
    }  # fmt: skip
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True, parents=True)
        (place / name).write_text(text)
    return snapshot(place)


def snapshot(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
