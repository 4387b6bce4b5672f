# ruff: noqa: E501 - the cells are written as a user writes them
"""What is special to notebooks: magics, outputs, history, errors, interrupts, order."""

from . import case

case(
    "outputs_by_number",
    [
        "x = [1, 2]\nx",
        "{'k': 'only in Out'}",
        "x.append(3)\nlen(x)",
        "import collections\ncollections.OrderedDict(a=1)",
        "y = _\nz = Out[2]\nz['more'] = 1",
    ],
    [
        "Out[1] is x and _1 is x and x == [1, 2, 3]",
        "Out[2] is z and _2 == {'k': 'only in Out', 'more': 1}",
        "Out[3] == 3 and Out[4] is y and y == {'a': 1} and type(y).__name__ == 'OrderedDict'",
        "_ is y and sorted(Out) == [1, 2, 3, 4]",
    ],
)

case(
    "outputs_that_no_variable_holds",
    ["import numpy as np\nnp.arange(5)", "[1, [2]]", "_2 is Out[2]", "_1[0] = 9"],
    ["Out[1].tolist() == [9, 1, 2, 3, 4] and _1 is Out[1]", "Out[2] == [1, [2]] and _2 is Out[2]", "Out[3] is True"],
    needs="numpy",
)

case(
    "outputs_deleted_and_suppressed",
    ["a = 5\na", "a + 1;", "del Out[1]\n_i1", "print('x')"],
    ["1 not in Out and Out[3] == 'a = 5\\na' and _i1 == 'a = 5\\na'", "In[2] == 'a + 1;' and len(In) >= 5"],
)

case(
    "timing_magics",
    [
        "%time a = [i for i in range(5)]",
        "%%time\nb = a + [5]\nc = len(b)",
        "%timeit -n1 -r1 sum(a)",
        "t = %timeit -n1 -r1 -o -q sum(a)",
        "%%capture out\nprint('hid')\nd = 1",
    ],
    ["a == [0, 1, 2, 3, 4] and b[-1] == 5 and c == 6 and d == 1", "out.stdout == 'hid\\n'", "t.repeat == 1"],
    may_lose=("t",),
)

case(
    "shell_escapes",
    [
        "!echo hello > made.txt\nfiles = !ls\ncontent = !cat made.txt",
        "%%bash\necho again >> made.txt",
        "%%writefile note.py\nv = 5",
        "name = 'made.txt'\nn = !wc -l < {name}",
        "%%sh --out answer\necho 42",
    ],
    [
        "list(files) == ['made.txt'] and content[0] == 'hello'",
        "open('made.txt').read() == 'hello\\nagain\\n' and int(n[0]) == 2",
        "answer.strip() == '42' and files.s == 'made.txt'",
    ],
)

case(
    "folder_and_environment_magics",
    [
        "%mkdir sub\n%cd -q sub",
        "%env MY_SETTING=on\nimport os\nhere = os.path.basename(os.getcwd())",
        "open('f.txt', 'w').write('x')",
        "%cd -q ..",
    ],
    [
        "here == 'sub' and os.environ['MY_SETTING'] == 'on'",
        "os.path.exists('sub/f.txt') and os.path.basename(os.getcwd()) == 'cwd'",
    ],
)

case(
    "running_other_files",
    [
        "%%writefile lib.py\nimport sys\ncount = 3\nclass Made:\n    def __init__(self): self.v = count\ndef build():\n    return Made()\nmain_name = __name__",
        "%run lib.py",
        "obj = build()\ncount = 10",
        "%run -i lib.py",
    ],
    ["obj.v == 3 and main_name == '__main__'", "build().v == 3 and count == 3", "type(obj).__name__ == 'Made'"],
)

case(
    "magics_of_the_user",
    [
        "from IPython.core.magic import register_line_magic, register_cell_magic, register_line_cell_magic, Magics, magics_class, line_magic\nstore = []\n@register_cell_magic\ndef keep(line, cell):\n    store.append((line, cell))\n@register_line_cell_magic\ndef both(line, cell=None):\n    return (line, cell)\n@magics_class\nclass Mine(Magics):\n    @line_magic\n    def shout(self, line):\n        return line.upper()\nget_ipython().register_magics(Mine)",
        "%%keep title\nbody line",
        "r = %both word",
        "s = %shout quiet",
    ],
    [
        "store == [('title', 'body line\\n')] and r == ('word', None) and s == 'QUIET'",
        "get_ipython().run_line_magic('both', 'x') == ('x', None)",
        "(get_ipython().run_cell_magic('keep', 't', 'b'), len(store) == 2)[1]",
        "get_ipython().run_line_magic('shout', 'q') == 'Q'",
    ],
)

case(
    "input_transformers_and_hooks",
    [
        "ip = get_ipython()\ncounts = []\ndef swap(lines):\n    return [l.replace('PLUS', '+') for l in lines]\nip.input_transformers_cleanup.append(swap)\ndef before(info=None):\n    counts.append(1)\nip.events.register('pre_run_cell', before)\nip.set_custom_exc((ZeroDivisionError,), lambda self, et, ev, tb, tb_offset=None: counts.append('zero'))",
        "v = 1 PLUS 2",
    ],
    [
        "v == 3 and len(counts) >= 1",
        "get_ipython() is ip and before in ip.events.callbacks['pre_run_cell']",
        "swap in ip.input_transformers_cleanup",
    ],
)

case(
    "display_of_the_users_types",
    [
        "class Temp:\n    def __init__(self, d): self.d = d\nhtml = get_ipython().display_formatter.formatters['text/html']\nhtml.for_type(Temp, lambda t: f'<b>{t.d}</b>')\nfrom IPython.display import display, Markdown, HTML\nh = display(Temp(1), display_id=True)",
        "h.update(Temp(2))\nmd = Markdown('# x')",
    ],
    [
        "md.data == '# x' and isinstance(h.display_id, str)",
        "get_ipython().display_formatter.format(Temp(5))[0]['text/html'] == '<b>5</b>'",
    ],
    may_lose=("html",),
)

case(
    "cells_that_raise_half_way",
    [
        "log, total = [], 0",
        "for i in range(5):\n    log.append(i)\n    total += i\n    if i == 2:\n        raise RuntimeError('stop')",
        "half = total\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    import sys\n    info = sys.exc_info()[1]",
        "gen = (log[i] for i in range(3))\nnext(gen)\nraise KeyError('late')",
    ],
    ["log == [0, 1, 2] and total == 3 == half", "isinstance(info, ZeroDivisionError)", "next(gen) == 1"],
    raises=(1, 3),
    may_lose=("gen",),
)

case(
    "an_interrupted_cell",
    [
        "import time\nsteps = []\ndone = False",
        "for i in range(1000):\n    steps.append(i)\n    time.sleep(0.05)\ndone = True",
        "n = len(steps)",
    ],
    ["0 < n < 1000 and steps == list(range(n)) and done is False"],
    interrupt=(1,),
)

case(
    "run_out_of_order_and_again",
    [
        "x = 1\nhist = []",
        "x = x * 3\nhist.append(('triple', x))",
        "x = x + 1\nhist.append(('plus', x))",
        "y = list(hist)\ndef f(v=x):\n    return v, x",
    ],
    ["hist == $h$ and x == $x$", "y == $y$ and f() == $f$"],
    order=[0, 2, 1, 2, 3, 1, 3, 2],
    capture={"h": "hist", "x": "x", "y": "y", "f": "f()"},
)

case(
    "names_overwritten_by_later_cells",
    [
        "source = list(range(200_000))",
        "derived = [v * 2 for v in source]",
        "source = 'replaced'",
        "g = (d for d in derived)\nfirst = next(g)",
        "derived = None",
    ],
    ["source == 'replaced' and derived is None and first == 0", "next(g) == 2"],
    may_lose=("g",),
)

case(
    "the_same_name_of_many_kinds",
    [
        "v = 1",
        "v = [v]",
        "v = {'v': v}",
        "def v(inner=v):\n    return inner",
        "v = v()['v']",
        "v.append(v)",
        "del v",
        "v = 'end'",
    ],
    ["v == 'end' and In[2] == 'v = [v]'"],
)

case(
    "asked_and_answered",
    ["age = int(input('age? '))\nimport getpass\nlist_of = [age] * 3", "double = age * 2\ng = (a for a in list_of)"],
    ["age == 36 and double == 72 and list_of == [36] * 3", "next(g) == 36"],
    stdin="36",
    may_lose=("g",),
)

case(
    "names_that_shadow_ours",
    [
        "In_ = In\nOut_ = Out\nexit = 5\nquit = [1]\nopen_ = open\nsys = 'not sys'\njson = {'a': 1}\nid = dict = None\n_private = [1]\n__mangled = 2\n_x1 = {'u': _private}",
        "_private.append(2)\nprint = lambda *a: None",
    ],
    [
        "exit == 5 and quit == [1] and sys == 'not sys' and json == {'a': 1} and id is None",
        "_private == [1, 2] and _x1['u'] is _private and __mangled == 2",
        "print('x') is None and In_ is In and Out_ is Out",
    ],
)

case(
    "star_imports_and_deletions",
    [
        "from math import *\nfrom collections import *\nfrom os.path import join as j",
        "del pi\ntau = 'mine'\nd = deque([1])",
    ],
    [
        "tau == 'mine' and 'pi' not in globals() and sqrt(16) == 4.0",
        "d.popleft() == 1 and j('a', 'b') == 'a/b' and Counter('aa')['a'] == 2",
    ],
)

case(
    "inspection_and_help",
    [
        "def f(a, b=2):\n    '''help text'''\n    return a\nf?",
        "%who_ls",
        "%pinfo f\nnames = %who_ls function",
        "import inspect\nsrc = inspect.getsource(f)",
    ],
    ["f(1) == 1 and names == ['f'] and 'help text' in src", "inspect.getsource(f) == src"],
)

case(
    "matplotlib_inline_and_autoreload",
    [
        "%matplotlib inline\n%load_ext autoreload\n%autoreload 2\nimport matplotlib.pyplot as plt",
        "open('hot.py', 'w').write('def f():\\n    return 1\\n')\nimport hot\na = hot.f()",
        "import time, os\nopen('hot.py', 'w').write('def f():\\n    return 22\\n')\nos.utime('hot.py', (time.time() + 5,) * 2)",
        "b = hot.f()",
    ],
    [
        "a == 1 and b == 22 and hot.f() == 22",
        "plt.get_backend().lower().endswith('inline')",
        "any('autoreload' in n for n in get_ipython().extension_manager.loaded)",
        "get_ipython().magics_manager.registry['AutoreloadMagics']._reloader.enabled is True",
    ],
    needs="matplotlib matplotlib_inline",
)

case(
    "stored_by_hand",
    ["keep = [1, 2]\n%store keep", "keep.append(3)\n%alias_magic tt time", "%tt z = 5"],
    ["keep == [1, 2, 3] and z == 5"],
)

case(
    "widgets_with_callbacks",
    [
        "import ipywidgets as w\nlog = []\nslider, text = w.IntSlider(value=3, max=10), w.Text('hi')\ndef moved(change):\n    log.append(change['new'])\nslider.observe(moved, 'value')\nbox = w.VBox([slider, text])\nbutton = w.Button(description='go')\nbutton.on_click(lambda b: log.append('click'))",
        "slider.value = 7\nlink = w.jslink((slider, 'value'), (slider, 'max'))",
    ],
    [
        "log == [7]",
        "slider.value == 7 and box.children[0] is slider",
        "(setattr(slider, 'value', 4), log == [7, 4])[1]",
        "(button.click(), log[-1] == 'click')[1]",
    ],
    needs="ipywidgets",
    may_lose=("slider", "text", "box", "button", "link"),
)
