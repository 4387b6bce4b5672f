# ruff: noqa: E501 - the cells are written as a user writes them
"""Modules: the user's own files and packages with state, edited and reloaded, made on the fly, patched."""

from . import case

case(
    "a_package_with_state_and_relative_imports",
    [
        "import os\nos.makedirs('pkg/sub')\nopen('pkg/__init__.py', 'w').write('from .core import add, items\\nVERSION = [1]\\n')\nopen('pkg/core.py', 'w').write('items = []\\nclass Config:\\n    debug = False\\n    opts = {}\\ndef add(x):\\n    items.append(x)\\n    return len(items)\\n')\nopen('pkg/sub/__init__.py', 'w').write('from ..core import items\\nfrom . import leaf\\n')\nopen('pkg/sub/leaf.py', 'w').write('count = 0\\ndef bump():\\n    global count\\n    count += 1\\n    return count\\n')",
        "import pkg, pkg.sub.leaf as leaf\nfrom pkg.core import Config, items",
        "pkg.add('a'); leaf.bump(); leaf.bump(); pkg.VERSION.append(2)\nConfig.debug = True; Config.opts['k'] = [1]\nc = Config()",
    ],
    [
        "items == ['a'] and pkg.items is items and pkg.sub.items is items",
        "leaf.count == 2 and leaf.bump() == 3",
        "pkg.VERSION == [1, 2] and pkg.add('b') == 2 and items == ['a', 'b']",
        "Config.debug is True and Config.opts == {'k': [1]}",
        "type(c) is pkg.core.Config",
    ],
)

case(
    "a_module_with_getattr_and_lazy_values",
    [
        "%%writefile lazy.py\nloads = []\ndef __getattr__(name):\n    if name.startswith('big'):\n        loads.append(name)\n        value = [name]\n        globals()[name] = value\n        return value\n    raise AttributeError(name)",
        "import lazy\na = lazy.big1\na.append('changed')",
        "b = lazy.big1 is a",
    ],
    [
        "b and lazy.loads == ['big1']",
        "lazy.big1 is a and a == ['big1', 'changed']",
        "lazy.big2 == ['big2'] and lazy.loads == ['big1', 'big2']",
    ],
)

case(
    "a_module_edited_and_reloaded",
    [
        "open('m.py', 'w').write('v = 1\\nclass A:\\n    def go(self): return v\\ndef f(): return v\\nstore = {}\\n')\nimport m, importlib\nold = m.A()\nold_f = m.f\nm.store['x'] = 1",
        "open('m.py', 'w').write('v = 22\\nclass A:\\n    def go(self): return v * 10\\ndef f(): return v + 1\\n')\nimportlib.invalidate_caches(); importlib.reload(m)\nnew = m.A()",
    ],
    [
        "m.v == 22 and m.f() == 23 and new.go() == 220",
        "m.store == {'x': 1}",
        "old.go() == 22 and old_f() == 22",
        "type(old) is not m.A and type(new) is m.A",
    ],
    may_lose=("old", "old_f"),
)

case(
    "a_module_edited_and_not_reloaded",
    [
        "open('edit.py', 'w').write('def f(): return 1\\nDATA = [1]\\n')\nimport edit\nfrom edit import f\nr = f()\nedit.DATA.append(2)",
        "open('edit.py', 'w').write('def f(): return 2222\\nDATA = [100]\\n')",
    ],
    ["r == 1 and f() == 1 and edit.f() == 1", "edit.DATA == [1, 2]"],
)

case(
    "attributes_patched_on_the_users_module",
    [
        "open('tool.py', 'w').write('LIMIT = 3\\ndef fetch(): return \"real\"\\nclass Client:\\n    def get(self): return \"real\"\\n')\nimport tool",
        "tool.fetch = lambda: 'fake'\ntool.LIMIT = 99\ntool.extra = {'a': [1]}\ndef fake_get(self): return 'fake get'\ntool.Client.get = fake_get\nclass Better: pass\ntool.Better = Better",
        "c = tool.Client()\nr = tool.fetch()",
    ],
    [
        "r == 'fake' and tool.fetch() == 'fake' and tool.LIMIT == 99",
        "tool.extra == {'a': [1]} and tool.Better is Better",
        "c.get() == 'fake get' and tool.Client().get() == 'fake get'",
    ],
)

case(
    "modules_made_on_the_fly",
    [
        "import types, sys\nmod = types.ModuleType('handmade', 'doc')\nexec('import math\\nitems = []\\ndef add(x):\\n    items.append(x)\\n    return math.floor(x)\\n', mod.__dict__)\nsys.modules['handmade'] = mod\nimport handmade",
        "from handmade import add, items\nadd(2.5); mod.flag = True",
    ],
    [
        "mod.items == [2.5] and mod.flag is True and items is mod.items",
        "handmade is mod and sys.modules['handmade'] is mod and mod.__doc__ == 'doc'",
        "add(3.7) == 3 and mod.items == [2.5, 3.7]",
        "__import__('handmade').add is add",
    ],
)

case(
    "imports_of_every_form",
    [
        "import os.path as p, collections.abc, xml.etree.ElementTree as ET, importlib\nfrom json import dumps as d, loads\nfrom functools import *\nmath = importlib.import_module('math')\nuj = __import__('urllib.parse')\ntry:\n    import not_there\nexcept ImportError: not_there = None",
        "def late():\n    import statistics, email.mime.text\n    return statistics.mean([1, 3])\nm = late()\nET_tree = ET.fromstring('<a><b>x</b></a>')",
    ],
    [
        "p.join('a', 'b') == 'a/b' and collections.abc.Mapping and d([1]) == '[1]' and reduce(lambda a, b: a + b, [1, 2]) == 3",
        "math.pi > 3 and uj.parse.quote(' ') == '%20' and not_there is None",
        "m == 2 and late() == 2 and ET_tree[0].text == 'x'",
    ],
)

case(
    "a_module_that_counts_its_imports",
    [
        "open('once.py', 'w').write('with open(\"imports.txt\", \"a\") as f: f.write(\"x\")\\nstate = []\\n')\nimport once\nonce.state.append(1)",
        "import once\nfrom once import state",
    ],
    ["once.state == [1] and state is once.state"],
)

case(
    "classes_from_a_module_that_changed_its_folder",
    [
        "import os, sys\nos.mkdir('lib'); open('lib/shapes.py', 'w').write('class Sq:\\n    made = 0\\n    def __init__(self, a):\\n        self.a = a; Sq.made += 1\\n    def area(self): return self.a ** 2\\n')\nsys.path.append('lib')\nimport shapes\ns = shapes.Sq(3)",
        "os.mkdir('work'); os.chdir('work'); sys.path[-1] = '../lib'\nt = shapes.Sq(4)",
    ],
    ["s.area() == 9 and t.area() == 16 and type(s) is shapes.Sq", "shapes.Sq.made == 2"],
)

case(
    "run_with_arguments_and_as_a_module",
    [
        "%%writefile prog.py\nimport sys\nargs = sys.argv[1:]\ntotal = sum(map(int, args))\ndef more(k): return total + k\nif __name__ == '__main__':\n    ran = True",
        "%run prog.py 1 2 3",
        "kept = list(args)\n%run -n prog.py 5",
    ],
    ["kept == ['1', '2', '3'] and ran is True", "total == 5 and more(1) == 6"],
)

case(
    "autoreload_keeps_on",
    [
        "%load_ext autoreload\n%autoreload 2\nopen('auto.py', 'w').write('def f(): return 1\\n')\nimport auto\na = auto.f()",
        "b = [a]",
    ],
    [
        "a == 1 and b == [1]",
        "get_ipython().magics_manager.registry['AutoreloadMagics']._reloader.enabled and later == 3333",
    ],
    again=(
        "open('auto.py', 'w').write('def f(): return 3333\\n')\nimport os; os.utime('auto.py', (2e9, 2e9))",
        "later = auto.f()",
    ),
)

case(
    "plugins_and_registries_in_modules",
    [
        "open('reg.py', 'w').write('handlers = {}\\ndef register(name):\\n    def deco(f):\\n        handlers[name] = f\\n        return f\\n    return deco\\n')\nimport reg\n@reg.register('up')\ndef up(s): return s.upper()\n@reg.register('down')\nclass Down:\n    def __call__(self, s): return s.lower()",
        "reg.handlers['x2'] = lambda s: s * 2",
    ],
    [
        "reg.handlers['up'] is up and reg.handlers['down'] is Down and list(reg.handlers) == ['up', 'down', 'x2']",
        "reg.handlers['x2']('ab') == 'abab'",
    ],
)

case(
    "registries_of_the_library",
    [
        "import functools, numbers, json, abc, collections.abc, enum\n@functools.singledispatch\ndef show(x): return 'any'\n@show.register\ndef _(x: int): return 'int'\nclass Mine: pass\n@show.register(Mine)\ndef show_mine(x): return 'mine'\nnumbers.Number.register(Mine)\nclass Base(abc.ABC): pass\nBase.register(dict)\ncollections.abc.Sized.register(Mine)",
        "r = [show(1), show(Mine()), show('s')]\nm = Mine()",
    ],
    [
        "r == ['int', 'mine', 'any'] and show(m) == 'mine' and show(2) == 'int'",
        "isinstance({}, Base)",
        "isinstance(m, numbers.Number)",
        "isinstance(m, collections.abc.Sized)",
    ],
)

case(
    "classes_that_outlive_a_reload",
    [
        "open('shapes.py', 'w').write('state = []\\nclass Shape:\\n    made = []\\n    def __init__(self): Shape.made.append(1)\\ndef note(x):\\n    state.append(x)\\n    return state\\n')",
        "import shapes, importlib\nfrom shapes import Shape, note\nold = Shape()\nnote(1)",
        "open('shapes.py', 'w').write('state = [9]\\nclass Shape:\\n    made = [0]\\ndef note(x):\\n    state.append(x * 100)\\n    return state\\n# another length\\n')\nimportlib.reload(shapes)",
        "new = shapes.Shape()\nnote(2)\nshapes.note(3)\npair = [Shape, old]",
    ],
    [
        "type(old) is Shape and pair[0] is Shape and pair[1] is old",
        "type(new) is shapes.Shape and shapes.Shape is not Shape",
        "Shape.made == [1] and shapes.Shape.made == [0]",
        "shapes.state == [9, 2, 300] and note(7) is shapes.state and shapes.state[-1] == 7",
    ],
)

case(
    "classes_of_modules_that_the_session_made_or_dropped",
    [
        "import sys, types\nmade = types.ModuleType('made_here')\nexec('class C:\\n    n = 0\\n    def f(self): return type(self).n', made.__dict__)\nsys.modules['made_here'] = made\no = made.C()",
        "from made_here import C\nC.n = 4\np = C()",
        "open('dropped.py', 'w').write('class G:\\n    n = 1\\ndef h(): return 5\\n')\nfrom dropped import G, h\ng = G()",
        "del sys.modules['dropped']",
    ],
    [
        "type(o) is made.C and type(p) is C and C is made.C",
        "(setattr(C, 'n', 5), o.f() == 5)[1]",
        "type(g) is G and g.n == 1 and h() == 5",
    ],
)
